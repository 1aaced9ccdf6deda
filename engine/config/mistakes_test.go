package config_test

import (
	"strings"
	"testing"

	"sluice/engine/config"
)

// refuses returns a function that demands exactly these problems of a file, each given as LINE:COLUMN: MESSAGE.
func refuses(t *testing.T) func(text string, want ...string) {
	return func(text string, want ...string) {
		t.Helper()
		_, err := config.Parse("sluice.yaml", []byte(text), testEnv)
		if err == nil {
			t.Errorf("%q was accepted, want %q", text, want)
			return
		}
		if got := err.Error(); got != "sluice.yaml:"+strings.Join(want, "\nsluice.yaml:") {
			t.Errorf("%q:\n got %s\nwant %s", text, got, strings.Join(want, "\n     "))
		}
		if strings.Contains(err.Error(), "planted") {
			t.Errorf("%q: the error repeats what may be a secret: %v", text, err)
		}
	}
}

// Each puts one mistake into a file that is right otherwise.
func inFile(lines string) string      { return minimal + lines + "\n" }
func asUpstreams(value string) string { return minPrincipals + "upstreams: " + value + "\n" }
func inUpstream(line string) string {
	return upstream("name: up", "kind: anthropic_direct", "signer: {type: forward}", line)
}
func asName(value string) string {
	return upstream("kind: anthropic_direct", "signer: {type: forward}", "name: "+value)
}
func asKind(value string) string {
	return upstream("name: up", "signer: {type: forward}", "kind: "+value)
}
func asSigner(value string) string {
	return upstream("name: up", "kind: anthropic_direct", "signer: "+value)
}
func upstream(lines ...string) string {
	return minPrincipals + "upstreams:\n  - " + strings.Join(lines, "\n    ") + "\n"
}

func asPrincipals(value string) string { return minUpstreams + "principals: " + value + "\n" }
func inPrincipal(line string) string {
	return minUpstreams + "principals:\n  - name: alice\n    keys: []\n    " + line + "\n"
}
func asKey(value string) string {
	return minUpstreams + "principals:\n  - name: alice\n    keys:\n      - " + value + "\n"
}

// What several messages end in.
const (
	emptyHint = `1:1: the file is empty, want at least "upstreams" and "principals": the example sluice.yaml shows every key`
	colonHint = `a ":" cannot stand here, want one "key: value" a line at the indentation of its neighbours,` +
		` a space after each ":", and quotes around text that holds ": "`
	topKeys = "listen, tls, admin, scripts, data, data_key, limits, prices, timeouts, ledger, strategy, affinity, retry, seed, upstreams, principals, filters, router," +
		" observers, experiments or budgets"
)

func TestMistakesInTheFileAsAWhole(t *testing.T) {
	t.Parallel()
	f := refuses(t)
	f("", emptyHint)
	f("# only a comment\n", emptyHint)
	f("---\n", emptyHint)
	f("[]\n", `1:1: want a mapping of "key: value", got a list`)
	f("just text\n", `1:1: want a mapping of "key: value", got a single value`)
	f("{}\n",
		`1:1: missing key "upstreams"`,
		`1:1: missing key "principals"`)
	f(minimal+"---\na: 1\n", `3:1: a second document begins here, want one: remove the "---"`)
	f(minimal+"\n---\n", `4:1: a second document begins here, want one: remove the "---"`)
	f("a: \xff\n", "1:4: a byte that is not UTF-8, want a text file in UTF-8")
	f("upstreams: é\xff\n", "1:13: a byte that is not UTF-8, want a text file in UTF-8")
	f("\xff\xfea\x00", "1:1: a byte that is not UTF-8, want a text file in UTF-8")
	f("a: \x00\n", "1:1: a control character, want a text file")
	f("upstreams: []\nprincipals: []\n",
		"1:12: upstreams: empty list, want at least one upstream",
		"2:13: principals: empty list, want at least one principal")
	f("upstreams: {}\nprincipals:\n",
		`1:12: upstreams: want a list, got a mapping of "key: value"`,
		"2:12: principals: want a list, got nothing")
	f(minUpstreams, `1:1: missing key "principals"`)
}

func TestMistakesInYAMLItself(t *testing.T) {
	t.Parallel()
	f := refuses(t)
	f("listen: a\nlimits:\n\tbody: 1\n", "3:1: a tab in the indentation, want spaces")
	f("listen: a\nlimits:\n  body: 1\n\tstreams: 1\n", "4:1: a tab in the indentation, want spaces")
	f("# one\nupstreams:\n  - name: a\n    kind: custom\n  \u00a0 weight: 1\n    signer: {type: forward}\n",
		"5:3: a no-break space (U+00A0) in the indentation, want spaces")
	f("limits:\n\u200b  body: 1\n  streams: 2\n    x: 3\n", "2:1: the invisible character U+200B in the indentation, want spaces")
	f("\ufefflisten: a\nlimits:\n  body: 1\n    streams: 2\n", "4:5: "+colonHint)
	f("listen: a\nlimits:\n  body: 1\n    streams: 2\n",
		"4:5: "+colonHint)
	f("upstreams:\n  - name: a\n    kind: custom\n   weight: 1\n",
		`4:4: wrong indentation, want "- " and the next item, or the indentation of the lines above`)
	f("upstreams:\n  - name: a\n    kind: custom\n  name: b\n",
		`4:3: wrong indentation, want "- " and the next item, or the indentation of the lines above`)
	f("limits:\n  body: 1\n streams: 2\n",
		`3:2: want "key: value" at the indentation of its neighbours, nothing after a closing quote or bracket`)
	f("listen: a\nlimits\nstrategy: b\n", `2:1: want "key: value"`)
	f("listen: a\nlimits:{body: 1}\n",
		`1:1: missing key "upstreams"`,
		`1:1: missing key "principals"`,
		`1:9: listen "a": want HOST:PORT such as 127.0.0.1:8787 or [::1]:8787`,
		`2:1: unknown key "limits:{body", want a space after "limits:"`)
	f("listen:a\nstrategy: b\n",
		"2:1: "+colonHint)
	f("listen: a\nlimits: {body: 1\nstrategy: b\n",
		`2:1: a {...} is not closed here, want "," or "}", and quotes around text with a brace: "${VAR}"`)
	f("listen: a\nlimits: {\n  body: 1\n  streams: 2\n}\n",
		`2:1: a {...} is not closed here, want "," or "}", and quotes around text with a brace: "${VAR}"`)
	f("upstreams: [a, b\nstrategy: b\n",
		`1:1: a [...] is not closed here, want "," or "]", and quotes around text with a bracket or brace`)
	f("listen: \"a\ndata: b\n# more\n", "1:9: a quoted text that is not closed, want its closing quote")
	f("upstreams:\n  - {name: a, signer: {type: bearer, token: \"abc}}\nprincipals:\n  - {name: p, keys: [\"sha256:00\"]}\n",
		"2:45: a quoted text that is not closed, want its closing quote")
	f("upstreams:\n  - name: \"it\\\"s\" # isn't\n    kind: {a: b\nprincipals: []\n",
		`3:5: a {...} is not closed here, want "," or "}", and quotes around text with a brace: "${VAR}"`)
	f("listen: 'a\n", "1:9: a quoted text that is not closed, want its closing quote")
	f("admin:\n  listen: a\n  token: b: c\n",
		"3:3: "+colonHint)
	f("admin: {token: ${SLUICE_ADMIN_TOKEN}}\n",
		`1:1: a {...} is not closed here, want "," or "}", and quotes around text with a brace: "${VAR}"`)
	f("models: [*]\n", `1:1: text that begins with "*" or "&", want it in quotes`)
	f("models:\n  - claude-*\n  - *-haiku\n", `3:3: text that begins with "*", want it in quotes`)
	f("listen: @a\n", "1:1: text that begins with a special character, want it in quotes")
	f("listen: a\ndata: `b`\n", "2:1: text that begins with a special character, want it in quotes")
	f("scripts: \"C:\\scripts\"\n", `1:1: an unknown "\" escape in double quotes, want "\\" or single quotes`)
	f("listen: \"a\" b\n",
		`1:1: want "key: value" at the indentation of its neighbours, nothing after a closing quote or bracket`)
	f("limits: {body: \"1\" streams: 2}\n",
		`1:1: a {...} is not closed here, want "," or "}", and quotes around text with a brace: "${VAR}"`)
	f("listen: a]\ndata: }\n", "2:1: want a value, in quotes if it begins with a special character")
	f("admin: {listen: :8788}\n", "1:1: want a value, in quotes if it begins with a special character")
	f("listen: a\n<<<<<<< HEAD\ndata: b\n=======\n", `2:1: want "key: value"`)
	f("upstreams: - a\n", `1:1: a "-" item cannot stand here, want each on a line of its own below the key`)
	f("listen: a\n- b\n",
		`2:1: want "key: value" at the indentation of its neighbours, nothing after a closing quote or bracket`)
	f("- a\nlisten: b\n", `2:1: wrong indentation, want "- " and the next item, or the indentation of the lines above`)
	f("listen: !!binary aGk=\n"+minimal,
		`1:9: a tag, want the plain value, or quotes around text that begins with "!"`,
		`1:9: listen "aGk=": want HOST:PORT such as 127.0.0.1:8787 or [::1]:8787`)
	f("data: &d ./data\nscripts: *d\n"+minimal,
		`1:7: an anchor, want the plain value, or quotes around text that begins with "&"`,
		`2:10: an alias, want the value itself, or quotes around text that begins with "*"`)
	f("listen: !x 1.2.3.4:5\n"+minimal, `1:9: a tag, want the plain value, or quotes around text that begins with "!"`)
	f("limits: &l {body: 1}\n<<: *l\n"+minimal,
		`1:9: an anchor, want the plain value, or quotes around text that begins with "&"`,
		"2:1: a key that is not text, want a single word, in quotes if it looks like a number or a date",
		`2:5: an alias, want the value itself, or quotes around text that begins with "*"`)
	f("8080: x\n"+minimal, "1:1: a key that is not text, want a single word, in quotes if it looks like a number or a date")
	f("? [a, b]\n: c\n"+minimal,
		"1:3: a key that is not text, want a single word, in quotes if it looks like a number or a date")
	f("null: 1\n"+minimal, "1:1: a key that is not text, want a single word, in quotes if it looks like a number or a date")
}

func TestMistakesInKeys(t *testing.T) {
	t.Parallel()
	f := refuses(t)
	f(inFile("upstrems: []"), `3:1: unknown key "upstrems", want upstreams`)
	f(inFile("fltrs: []"), `3:1: unknown key "fltrs", want filters`)
	f(inFile("filtres: []"), `3:1: unknown key "filtres", want filters`)
	f(inFile("tsl: {}"), `3:1: unknown key "tsl", want tls`)
	f(inFile("TLS: {}"), `3:1: unknown key "TLS", want tls`)
	f(inFile("Listen: a"), `3:1: unknown key "Listen", want listen`)
	f(inFile("strategies: a"), `3:1: unknown key "strategies", want strategy`)
	f(inFile("base-url: x"),
		`3:1: unknown key "base-url", want `+topKeys)
	f(inFile("listen: 1.1.1.1:1\nlisten: 2.2.2.2:2"), `4:1: duplicate key "listen", first at 3:1`)
	f(inFile("sk-ant-api03-planted: x"),
		"3:1: unknown key (a text of 20 bytes), want "+topKeys)
	f(inFile("tls: {cert: c.pem}"), `3:6: tls: missing key "key"`)
	f(inFile(`tls: {cert: c.pem, key: "${PEM}"}`), `3:25: key "${PEM}": want the path of a file, not what is in it: a text of 43 bytes`)
	f(inFile("tls: true"), `3:6: tls: want a mapping of "key: value", got a single value`)
	f(inFile("tls:"), `3:5: tls: want a mapping of "key: value", got nothing`)
	f(inFile("admin: {tokn: x}"), `3:9: unknown key "tokn", want token`)
	f(inFile("admin: [a]"), `3:8: admin: want a mapping of "key: value", got a list`)
	f(inFile("ledger: {keep: 0s}"), `3:16: keep "0s": want a duration longer than 0`)
	f(inFile("ledger: {max_size: 512KiB}"), `3:20: max_size "512KiB": want a size from 1MiB`)
	f(inFile("ledger: {when_full: wait}"), `3:21: when_full "wait": want serve or refuse`)
	f(inFile("limits: {bodies: 1MB}"), `3:10: unknown key "bodies", want body, files_body, bodies_total or streams`)
	f(inFile("timeouts: {read: 1s}"),
		`3:12: unknown key "read", want connect, response_header, idle, client_header, client_body, client_write or drain`)
	f(inFile("budgets: {step: 1}"), `3:11: unknown key "step", want steps`)
}

func TestMistakesInSettings(t *testing.T) {
	t.Parallel()
	f := refuses(t)
	f(inFile("listen: 8787"), `3:9: listen "8787": want HOST:PORT such as 127.0.0.1:8787 or [::1]:8787`)
	f(inFile("listen: localhost"), `3:9: listen "localhost": want HOST:PORT such as 127.0.0.1:8787 or [::1]:8787`)
	f(inFile("listen: 127.0.0.1:http"), `3:9: listen "127.0.0.1:http": want HOST:PORT such as 127.0.0.1:8787 or [::1]:8787`)
	f(inFile("listen: 127.0.0.1:99999"), `3:9: listen "127.0.0.1:99999": want HOST:PORT such as 127.0.0.1:8787 or [::1]:8787`)
	f(inFile("listen: ::1:8787"), `3:9: listen "::1:8787": want HOST:PORT such as 127.0.0.1:8787 or [::1]:8787`)
	f(inFile(`listen: "http://127.0.0.1:8787"`),
		`3:9: listen "http://127.0.0.1:8787": want HOST:PORT such as 127.0.0.1:8787 or [::1]:8787`)
	f(inFile("listen: [127.0.0.1:8787]"), "3:9: listen: want a single value, got a list")
	f(inFile(`listen: ""`), `3:9: listen "": want HOST:PORT such as 127.0.0.1:8787 or [::1]:8787`)
	f(inFile(`scripts: ""`), `3:10: scripts "": want a text that is not empty`)
	f(inFile("data:"), "3:6: data: want a value, got nothing")
	f(inFile("listen: 127.0.0.1:8788"), "3:9: listen and admin.listen have the same port, want two")
	f(inFile("admin: {listen: 0.0.0.0:8787}"),
		"3:8: listen and admin.listen have the same port, want two",
		"3:8: admin listens beyond loopback without a token, want admin.token or a loopback address")
	f(inFile("admin: {listen: 127.0.0.1:08787}"), "3:8: listen and admin.listen have the same port, want two")
	f(inFile("admin: {listen: 0.0.0.0:9000}"),
		"3:8: admin listens beyond loopback without a token, want admin.token or a loopback address")
	f(inFile(`admin: {listen: 192.168.1.2:9000, token: ""}`),
		"3:8: admin listens beyond loopback without a token, want admin.token or a loopback address",
		"3:42: token: want a secret that is not empty")
	f(inFile(`admin: {token: "${EMPTY}"}`), `3:16: token "${EMPTY}": want a secret that is not empty`)
	f(inFile(`admin: {token: "planted token"}`),
		"3:16: token: want a secret of visible ASCII characters, without spaces and line breaks")
	f(inFile(`admin: {token: "${TWO_LINES}"}`),
		`3:16: token "${TWO_LINES}": want a secret of visible ASCII characters, without spaces and line breaks`)
	f(inFile(`admin: {token: "${file:/run/lines}"}`),
		`3:16: token "${file:/run/lines}": want a secret of visible ASCII characters, without spaces and line breaks`)
	f(inFile("admin: {open_metrics: yes}"), `3:23: open_metrics "yes": want true or false`)
	f(inFile("limits: {body: 32mb}"), `3:16: body "32mb": want a size from 1 such as 1048576, 512KiB, 32MiB, 100MB or 1GiB`)
	f(inFile("limits: {body: 32M}"), `3:16: body "32M": want a size from 1 such as 1048576, 512KiB, 32MiB, 100MB or 1GiB`)
	f(inFile("limits: {body: 32 MiB}"), `3:16: body "32 MiB": want a size from 1 such as 1048576, 512KiB, 32MiB, 100MB or 1GiB`)
	f(inFile("limits: {body: -1}"), `3:16: body "-1": want a size from 1 such as 1048576, 512KiB, 32MiB, 100MB or 1GiB`)
	f(inFile("limits: {body: 0}"), `3:16: body "0": want a size from 1 such as 1048576, 512KiB, 32MiB, 100MB or 1GiB`)
	f(inFile("limits: {body: 1.5GiB}"), `3:16: body "1.5GiB": want a size from 1 such as 1048576, 512KiB, 32MiB, 100MB or 1GiB`)
	f(inFile("limits: {body: 99999999999GiB}"),
		`3:16: body "99999999999GiB": want a size from 1 such as 1048576, 512KiB, 32MiB, 100MB or 1GiB`)
	f(inFile("limits: {body: 2GiB}"),
		"3:16: limits: bodies_total is smaller than one request may be, want at least body and files_body")
	f(inFile("limits: {files_body: 2GiB}"),
		"3:22: limits: bodies_total is smaller than one request may be, want at least body and files_body")
	f(inFile("limits: {bodies_total: 1MiB}"),
		"3:24: limits: bodies_total is smaller than one request may be, want at least body and files_body")
	f(inFile("limits: {streams: 0}"), `3:19: streams "0": want a whole number from 1 to 10000000`)
	f(inFile("limits: {streams: many}"), `3:19: streams "many": want a whole number from 1 to 10000000`)
	f(inFile("limits: {streams: 10k}"), `3:19: streams "10k": want a whole number from 1 to 10000000`)
	f(inFile("timeouts: {connect: 5}"), `3:21: connect "5": want a duration such as 500ms, 30s, 5m or 1d, up to 3650d`)
	f(inFile("timeouts: {connect: 0s}"), `3:21: connect "0s": want a duration longer than 0`)
	f(inFile("timeouts: {idle: -5s}"), `3:18: idle "-5s": want a duration such as 500ms, 30s, 5m or 1d, up to 3650d`)
	f(inFile("timeouts: {idle: 5 minutes}"), `3:18: idle "5 minutes": want a duration such as 500ms, 30s, 5m or 1d, up to 3650d`)
	f(inFile("timeouts: {drain: 4000d}"), `3:19: drain "4000d": want a duration such as 500ms, 30s, 5m or 1d, up to 3650d`)
	f(inFile("timeouts: {drain: }"), "3:19: drain: want a value, got nothing")
	f(inFile("strategy: first_pick"), `3:11: strategy "first_pick": want first-pick`)
	f(inFile("strategy: fastest"),
		`3:11: strategy "fastest": want first-pick, priority, random, round-robin, least-connections or affinity`)
	f(inFile("seed: 0"), `3:7: seed "0": want a whole number from 1 to 4611686018427387904`)
	f(inFile("seed: abc"), `3:7: seed "abc": want a whole number from 1 to 4611686018427387904`)
	f(inFile("budgets: {time: 50}"), `3:17: time "50": want a duration such as 500ms, 30s, 5m or 1d, up to 3650d`)
	f(inFile("budgets: {steps: 2e6}"), `3:18: steps "2e6": want a whole number from 1 to 9007199254740992`)
	f(inFile("budgets: {memory: 64M}"),
		`3:19: memory "64M": want a size from 1 such as 1048576, 512KiB, 32MiB, 100MB or 1GiB`)
	f(inFile("budgets: {total_memory: 0}"),
		`3:25: total_memory "0": want a size from 1 such as 1048576, 512KiB, 32MiB, 100MB or 1GiB`)
	f(inFile("budgets: {total_memory: 63MiB}"),
		`3:25: budgets: memory is more than total_memory, which all calls share, want at most 66060288`)
	f(inFile("budgets: {per_mib: {steps: 0}}"), `3:28: steps "0": want a whole number from 1 to 9007199254740992`)
}

func TestMistakesInReferences(t *testing.T) {
	t.Parallel()
	f := refuses(t)
	f(inFile("data: ${UNSET}"), `3:7: data: environment variable "UNSET" is not set`)
	f(inFile("data: ${SLUICE_ADMN_TOKEN}"), `3:7: data: environment variable "SLUICE_ADMN_TOKEN" is not set, want SLUICE_ADMIN_TOKEN`)
	f(inFile("data: ${tricky}"), `3:7: data: environment variable "tricky" is not set, want TRICKY`)
	f(inFile("data: ${K}"), `3:7: data: environment variable "K" is not set`)
	f(inFile("data: ${UNSET"), `3:7: data: "${" is not closed, want ${VAR} or ${file:PATH}, or "$${" for the text itself`)
	f(inFile("data: ${}"), `3:7: data: "" is no name of a variable, want ${VAR} or ${file:PATH}, or "$${" for the text itself`)
	f(inFile("data: ${FIVE:-6}"),
		`3:7: data: "FIVE:-6" is no name of a variable, want ${VAR} or ${file:PATH}, or "$${" for the text itself`)
	f(inFile("data: ${env:FIVE}"),
		`3:7: data: "env:FIVE" is no name of a variable, want ${VAR} or ${file:PATH}, or "$${" for the text itself`)
	f(inFile("data: ${sk-ant-planted}"),
		`3:7: data: (a text of 14 bytes) is no name of a variable, want ${VAR} or ${file:PATH}, or "$${" for the text itself`)
	f(inFile("data: ${file:/no/such}"), "3:7: data: read file \"/no/such\": file does not exist")
	f(inFile(`data: "${file:}"`), "3:7: data: ${file:} names no file, want ${file:PATH}")
	f(inFile("listen: ${TYPO}"), `3:9: listen "${TYPO}": want HOST:PORT such as 127.0.0.1:8787 or [::1]:8787`)
	f(inFile("strategy: ${TYPO}"),
		`3:11: strategy "${TYPO}": want first-pick, priority, random, round-robin, least-connections or affinity`)
	f(inFile(`limits: {body: "${TYPO}"}`),
		`3:16: body "${TYPO}": want a size from 1 such as 1048576, 512KiB, 32MiB, 100MB or 1GiB`)
	f(inFile(`timeouts: {idle: "${TYPO}"}`), `3:18: idle "${TYPO}": want a duration such as 500ms, 30s, 5m or 1d, up to 3650d`)
	f(inFile(`admin: {open_metrics: "${TYPO}"}`), `3:23: open_metrics "${TYPO}": want true or false`)
}
