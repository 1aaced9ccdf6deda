package config_test

import (
	"strings"
	"testing"
)

func TestMistakesInUpstreams(t *testing.T) {
	t.Parallel()
	f := refuses(t)
	f(asUpstreams("a"), "2:12: upstreams: want a list, got a single value")
	f(asUpstreams("[{}]"),
		`2:13: upstreams: missing key "name"`,
		`2:13: upstreams: missing key "kind"`,
		`2:13: upstreams: missing key "signer"`)
	f(asUpstreams("[a]"), `2:13: upstreams: want a mapping of "key: value", got a single value`)
	f(asUpstreams("[{name: up, kind: anthropic_direct}]"), `2:13: upstreams: missing key "signer"`)
	f(inUpstream("name2: x"), `6:5: unknown key "name2", want name`)
	f(asName("my key"), `5:11: name "my key": want 1 to 64 letters, digits, ".", "_" or "-", the first a letter or digit`)
	f(asName("-x"), `5:11: name "-x": want 1 to 64 letters, digits, ".", "_" or "-", the first a letter or digit`)
	f(asName("${UP}!"), `5:11: name "${UP}!": want 1 to 64 letters, digits, ".", "_" or "-", the first a letter or digit`)
	f(asName("nulé"), "5:11: name \"nulé\": want 1 to 64 letters, digits, \".\", \"_\" or \"-\", the first a letter or digit")
	f(asName(""), "5:10: name: want a value, got nothing")
	f(asName(strings.Repeat("a", 70)),
		`5:11: name (a text of 70 bytes): want 1 to 64 letters, digits, ".", "_" or "-", the first a letter or digit`)
	f(asKind("bedrock_runtime"), `3:5: upstreams: missing key "region", which kind bedrock_runtime needs`)
	f(asKind("vertex\n    region: global"), `3:5: upstreams: missing key "project", which kind vertex needs`)
	f(asKind("bedrock_mantle\n    region: us-east-1.evil.example"), `6:13: region "us-east-1.evil.example": want one such as us-east-1, in small letters`)
	f(asKind("anthropic"), `5:11: kind "anthropic": want anthropic_direct, bedrock_runtime, bedrock_mantle, vertex or custom`)
	f(asKind("anthropic_driect"), `5:11: kind "anthropic_driect": want anthropic_direct`)
	f(asKind("custom"), `3:5: upstreams: missing key "base_url", which kind custom needs`)
	f(asKind(""), "5:10: kind: want a value, got nothing")
	f(inUpstream("id: team"), `6:9: id "team": want a UUID such as 6ba7b811-9dad-11d1-80b4-00c04fd430c8`)
	f(inUpstream("id: 6ba7b8119dad11d180b400c04fd430c8"),
		`6:9: id "6ba7b8119dad11d180b400c04fd430c8": want a UUID such as 6ba7b811-9dad-11d1-80b4-00c04fd430c8`)
	f(inUpstream("id: 00000000-0000-0000-0000-000000000000"),
		`6:9: id "00000000-0000-0000-0000-000000000000": want a UUID such as 6ba7b811-9dad-11d1-80b4-00c04fd430c8`)
	f(inUpstream("base_url: api.anthropic.com"), "6:15: base_url: want an absolute URL such as https://api.anthropic.com")
	f(inUpstream("base_url: ftp://a.example"), "6:15: base_url: want a URL with https or http")
	f(inUpstream("base_url: https://user:planted@a.example"),
		"6:15: base_url: want a URL without user info: credentials go into signer")
	f(inUpstream("base_url: https://a.example?key=planted"), "6:15: base_url: want a URL without a query")
	f(inUpstream("base_url: https://a.example/#x"), "6:15: base_url: want a URL without a fragment")
	f(inUpstream("base_url: http://a.example"), `6:15: base_url: plain http beyond loopback, want https or "insecure: true"`)
	f(inUpstream("base_url: https://a.example:0"), "6:15: base_url: want a URL with a port from 1 to 65535, or none")
	f(inUpstream(`base_url: "https://a.example:"`), "6:15: base_url: want a URL with a port from 1 to 65535, or none")
	f(inUpstream("base_url: https://a.example/x/../y"), `6:15: base_url: want a URL whose path has no "//", "." or ".."`)
	f(inUpstream("base_url: https:///v1"), "6:15: base_url: want an absolute URL such as https://api.anthropic.com")
	f(inUpstream(`base_url: "https://a.example/\\b"`), "6:15: base_url: want an absolute URL such as https://api.anthropic.com")
	f(inUpstream("base_url: ${TYPO}"), `6:15: base_url "${TYPO}": want an absolute URL such as https://api.anthropic.com`)
	f(inUpstream(`base_url: "https://${TYPO}@x"`), "6:15: base_url: want a URL without user info: credentials go into signer")
	f(inUpstream("allow_origins: [https://a.example/path]"),
		"6:21: allow_origins: want an origin without a path, such as https://api.anthropic.com")
	f(inUpstream("allow_origins: https://a.example"), "6:20: allow_origins: want a list, got a single value")
	f(inUpstream("allow_origins: [https://a.example, http://b.example]"),
		`6:40: allow_origins: plain http beyond loopback, want https or "insecure: true"`)
	f(inUpstream("weight: -1"), `6:13: weight "-1": want a whole number from 0 to 1000000`)
	f(inUpstream("weight: heavy"), `6:13: weight "heavy": want a whole number from 0 to 1000000`)
	f(inUpstream("priority: 1.5"), `6:15: priority "1.5": want a whole number from -1000000 to 1000000`)
	f(inUpstream("insecure: 1"), `6:15: insecure "1": want true or false`)
	f(inUpstream("labels: [a]"), `6:13: labels: want a mapping of "key: value", got a list`)
	f(inUpstream("labels: gold"), `6:13: labels: want a mapping of "key: value", got a single value`)
	f(inUpstream("labels: {n: 010}"), `6:17: labels: number "010", want plain decimal digits, or quotes if it is text`)
	f(inUpstream("labels: {n: 1_000}"), `6:17: labels: number "1_000", want plain decimal digits, or quotes if it is text`)
	f(inUpstream("labels: {n: 0x10}"), `6:17: labels: number "0x10", want plain decimal digits, or quotes if it is text`)
	f(inUpstream("labels: {n: .inf}"), `6:17: labels: number ".inf", want plain decimal digits, or quotes if it is text`)
	f(inUpstream("labels: {1: x}"),
		"6:14: a key that is not text, want a single word, in quotes if it looks like a number or a date")
	f(inUpstream("labels: {a: 1, a: 2}"), `6:20: duplicate key "a", first at 6:14`)
	f(inUpstream(`labels: {a: "${UNSET}"}`), `6:17: labels: environment variable "UNSET" is not set`)
	f(inUpstream("models: [a]"), `6:13: models: want a mapping of "key: value", got a list`)
	f(inUpstream("models: {a: }"), "6:17: models: want a value, got nothing")
	f(inUpstream("models: {a: 1, a: 2}"), `6:20: duplicate key "a", first at 6:14`)
	f(inUpstream("models: {a: [b]}"), "6:17: models: want a single value, got a list")
	f(inUpstream(`ca: ""`), `6:9: ca "": want a text that is not empty`)
	f(inUpstream("dialect: dialects/x.py"), `6:14: dialect "dialects/x.py": want a script that ends in .star or .lua`)
	f(inUpstream("dialect: /abs/x.star"),
		`6:14: dialect "/abs/x.star": want a path below the scripts root, with "/" and without "." and ".."`)
	f(inUpstream("dialect: {config: {}}"), `6:14: dialect: missing key "script"`)
	f(inUpstream("dialect: {script: x.star, isolation: call}"),
		`6:31: unknown key "isolation", want script, experiment, config, on_error or budgets`)
	f(inUpstream("dialect: [x.star]"), `6:14: dialect: want a mapping of "key: value", got a list`)
	f(inUpstream(`dialect: "${UNSET}"`), `6:14: dialect: environment variable "UNSET" is not set`)
}

func TestMistakesInSigners(t *testing.T) {
	t.Parallel()
	f := refuses(t)
	f(asSigner("planted-key"), `5:13: signer: want a mapping of "key: value", got a single value`)
	f(asSigner("{}"), `5:13: signer: missing key "type"`)
	f(asSigner("{key: planted}"), `5:13: signer: missing key "type"`)
	f(asSigner("{type: anthropic-key, key: planted}"), `5:20: type "anthropic-key": want anthropic_key`)
	f(asSigner("{type: oauth}"), `5:20: type "oauth": want anthropic_key, anthropic_oauth, aws_sigv4, bearer, forward or gcp_oauth`)
	f(asSigner("{type: sk-ant-planted}"), "5:20: type (a text of 14 bytes): want anthropic_key, anthropic_oauth, aws_sigv4, bearer, forward or gcp_oauth")
	f(asSigner("{type: anthropic_key}"), `5:13: signer: missing key "key", which type anthropic_key needs`)
	f(asSigner("{type: anthropic_key, token: planted}"),
		`5:13: signer: missing key "key", which type anthropic_key needs`,
		`5:42: signer: key "token" is not for type anthropic_key, want key`)
	f(asSigner("{type: bearer, key: planted}"),
		`5:13: signer: missing key "token", which type bearer needs`,
		`5:33: signer: key "key" is not for type bearer, want token`)
	f(asSigner("{type: forward, key: planted}"), `5:34: signer: key "key" is not for type forward, want type alone`)
	f(asSigner(`{type: anthropic_key, key: ""}`), "5:40: key: want a secret that is not empty")
	f(asSigner(`{type: anthropic_key, key: "${UNSET}"}`), `5:40: key: environment variable "UNSET" is not set`)
	f(asSigner("{type: anthropic_key, key: }"), "5:40: key: want a value, got nothing")
	f(asSigner("{type: anthropic_key, key: [planted]}"), "5:40: key: want a single value, got a list")
	f(asSigner(`{type: anthropic_key, key: "planted\n"}`),
		"5:40: key: want a secret of visible ASCII characters, without spaces and line breaks")
	f(asSigner("{type: anthropic_key, api_key: planted}"),
		`5:13: signer: missing key "key", which type anthropic_key needs`,
		`5:35: unknown key "api_key", want type or key`)
	f(asSigner("{type: anthropic_key, kye: planted}"), `5:35: unknown key "kye", want key`)
}

func TestMistakesInSignersThatRenew(t *testing.T) {
	t.Parallel()
	f := refuses(t)
	f(asSigner("{type: anthropic_oauth}"),
		`5:13: signer: missing key "client_id", which type anthropic_oauth needs`,
		`5:13: signer: missing key "refresh_token", which type anthropic_oauth needs`)
	f(asSigner("{type: anthropic_oauth, client_id: a, refresh_token: planted, key: planted}"),
		`5:80: signer: key "key" is not for type anthropic_oauth, want client_id, refresh_token, access_token or token_url`)
	f(asSigner("{type: anthropic_oauth, client_id: a, refresh_tokn: planted}"),
		`5:51: unknown key "refresh_tokn", want refresh_token`)
	f(asSigner("{type: anthropic_oauth, client_id: a, refresh_token: planted, token: planted}"),
		`5:82: signer: key "token" is not for type anthropic_oauth, want client_id, refresh_token, access_token or token_url`)
	f(asSigner(`{type: anthropic_oauth, client_id: a, refresh_token: "plan ted"}`),
		"5:66: refresh_token: want a secret of visible ASCII characters, without spaces and line breaks")
	f(asSigner("{type: anthropic_oauth, client_id: a, refresh_token: planted, token_url: a.example/token}"),
		"5:86: token_url: want an absolute URL such as https://api.anthropic.com")
	f(asSigner("{type: anthropic_oauth, client_id: a, refresh_token: planted, token_url: http://a.example/token}"),
		`5:13: signer: token_url: plain http beyond loopback, want https or "insecure: true"`)
	f(asSigner("{type: gcp_oauth, credentials: planted}"), `5:31: unknown key "credentials", want credentials_file`)
	f(asSigner(`{type: gcp_oauth, credentials_file: "${JSON}"}`), `5:49: credentials_file "${JSON}": want the path of a file, not what is in it: a text of 33 bytes`)
	f(asSigner(`{type: gcp_oauth, credentials_file: ""}`), `5:49: credentials_file "": want a text that is not empty`)
	f(asAWS("{type: aws_sigv4, region: x}"),
		`5:13: signer: missing key "service", which type aws_sigv4 needs for kind anthropic_direct`,
		`5:31: unknown key "region", want type, service, profile, access_key, secret_key or session_token`)
	f(asAWS("{type: aws_sigv4, service: bedrock-runtime}"),
		`5:40: service "bedrock-runtime": want bedrock, bedrock-mantle or aws-external-anthropic`)
	f(asAWS("{type: aws_sigv4, service: bedrock, access_key: planted}"), `5:61: signer: "access_key" without "secret_key", want both or neither`)
	f(asAWS("{type: aws_sigv4, service: bedrock, secret_key: planted}"), `5:61: signer: "secret_key" without "access_key", want both or neither`)
	f(asAWS("{type: aws_sigv4, service: bedrock, session_token: planted}"),
		`5:64: signer: "session_token" without "access_key", want both or neither`)
	f(asAWS("{type: aws_sigv4, service: bedrock, profile: p, access_key: planted, secret_key: planted}"),
		`5:58: signer: "profile" beside "access_key", want one of them`)
	f(asSigner("{type: aws_sigv4, service: bedrock}"), `3:5: upstreams: missing key "region", which signer aws_sigv4 needs`)
	f(upstream("name: up", "kind: anthropic_direct", "signer: {type: aws_sigv4, service: bedrock}", "region: US/east"),
		`6:13: region "US/east": want one such as us-east-1, in small letters`)
	f(inFile(`data_key: ""`), "3:11: data_key: want a secret that is not empty")
}

// asAWS is a config whose upstream has a region.
func asAWS(signer string) string {
	return upstream("name: up", "kind: anthropic_direct", "signer: "+signer, "region: us-east-1")
}

func TestMistakesInPrincipals(t *testing.T) {
	t.Parallel()
	f := refuses(t)
	f(asPrincipals("[{keys: []}]"), `2:14: principals: missing key "name"`)
	f(asPrincipals("[{name: alice}]"), `2:14: principals: missing key "keys"`)
	f(asPrincipals("[alice]"), `2:14: principals: want a mapping of "key: value", got a single value`)
	f(inPrincipal("name2: x"), `5:5: unknown key "name2", want name`)
	f(inPrincipal("disabled: no"), `5:15: disabled "no": want true or false`)
	f(inPrincipal("claims: core"), `5:13: claims: want a mapping of "key: value", got a single value`)
	f(inPrincipal("upstreams: []"), "5:16: upstreams: empty list, want at least one item, or no such key to allow all")
	f(inPrincipal("upstreams: [upp]"), `5:17: upstreams: unknown upstream "upp", want up`)
	f(inPrincipal("upstreams: [elsewhere]"), `5:17: upstreams: unknown upstream "elsewhere", want up`)
	f(inPrincipal("upstreams: [up, elsewhere]"), `5:21: upstreams: unknown upstream "elsewhere", want up`)
	f("principals: [{name: a, keys: [], upstreams: [up]}]\nupstreams: [{name: u p, kind: anthropic_direct, signer: {type: forward}}]",
		`2:20: name "u p": want 1 to 64 letters, digits, ".", "_" or "-", the first a letter or digit`)
	f(inPrincipal("upstreams: up"), "5:16: upstreams: want a list, got a single value")
	f(inPrincipal("models: []"), "5:13: models: empty list, want at least one item, or no such key to allow all")
	f(inPrincipal(`models: ["claude-[34]"]`),
		`5:14: models "claude-[34]": want a text in which only "*" (any run of characters) and "?" (any one) are special`)
	f(inPrincipal(`models: [""]`),
		`5:14: models "": want a text in which only "*" (any run of characters) and "?" (any one) are special`)
	f(inPrincipal("models: claude-*"), "5:13: models: want a list, got a single value")
	f(inPrincipal("paths: []"), "5:12: paths: empty list, want at least one path, or no such key for the default")
	f(inPrincipal("paths: [v1/messages]"), `5:13: paths "v1/messages": want a path that begins with "/"`)
	f(inPrincipal("paths: [/v1/{id}]"),
		`5:5: a [...] is not closed here, want "," or "]", and quotes around text with a bracket or brace`)
	f(inPrincipal(`paths: ["/v1/{id}"]`),
		`5:13: paths "/v1/{id}": want a text in which only "*" (any run of characters) and "?" (any one) are special`)
	f(inPrincipal(`paths: ["/v1/[a-z]*"]`),
		`5:13: paths "/v1/[a-z]*": want a text in which only "*" (any run of characters) and "?" (any one) are special`)
	f(inPrincipal("filters: x.star"), "5:14: filters: want a list, got a single value")
	f(asKey("planted-key"),
		`5:9: keys: 11 bytes that do not begin with "sha256:", want the hash that "sluice keys new" prints, not the key`)
	f(asKey(`"sk-sluice-planted"`),
		`5:9: keys: 17 bytes that do not begin with "sha256:", want the hash that "sluice keys new" prints, not the key`)
	f(asKey(`"sha256:"`), `5:9: keys: 0 characters after "sha256:", want 64 hex digits`)
	f(asKey(`"sha256:abc"`), `5:9: keys: 3 characters after "sha256:", want 64 hex digits`)
	f(asKey("sha256:"+strings.Repeat("g", 64)),
		`5:9: keys: a character after "sha256:" that is no hex digit, want 64 hex digits`)
	f(asKey("sha256:"+strings.Repeat("a", 63)), `5:9: keys: 63 characters after "sha256:", want 64 hex digits`)
	f(asKey("sha256:"+strings.Repeat("a", 65)), `5:9: keys: 65 characters after "sha256:", want 64 hex digits`)
	f(asKey("sha512:"+strings.Repeat("a", 64)),
		`5:9: keys: 71 bytes that do not begin with "sha256:", want the hash that "sluice keys new" prints, not the key`)
	f(asKey("{name: laptop}"), `5:9: keys: missing key "hash"`)
	f(asKey("{hash: 12}"),
		`5:16: hash: 2 bytes that do not begin with "sha256:", want the hash that "sluice keys new" prints, not the key`)
	f(asKey("{hash: "+hashB+", expires: tomorrow}"),
		`5:98: expires "tomorrow": want a date such as 2027-01-31 or a time such as 2027-01-31T18:00:00Z`)
	f(asKey("{hash: "+hashB+", expires: 2027-13-01}"),
		`5:98: expires "2027-13-01": want a date such as 2027-01-31 or a time such as 2027-01-31T18:00:00Z`)
	f(asKey("{hash: "+hashB+", expires: 2027-01-01 10:00}"),
		`5:98: expires "2027-01-01 10:00": want a date such as 2027-01-31 or a time such as 2027-01-31T18:00:00Z`)
	f(asKey("{hash: "+hashB+", disabled: maybe}"), `5:99: disabled "maybe": want true or false`)
	f(asKey("{hash: "+hashB+`, name: "my laptop"}`),
		`5:95: name "my laptop": want 1 to 64 letters, digits, ".", "_" or "-", the first a letter or digit`)
	f(asKey("{hash: "+hashB+", scope: x}"), `5:89: unknown key "scope", want hash, name, expires, disabled or limits`)
	f(asKey("${UNSET}"), `5:9: keys: environment variable "UNSET" is not set`)
	f(asKey("["+hashB+"]"), `5:9: keys: want a mapping of "key: value", got a list`)
}

func TestMistakesInBindings(t *testing.T) {
	t.Parallel()
	f := refuses(t)
	f(inFile("filters: filters/x.star"), "3:10: filters: want a list, got a single value")
	f(inFile("filters: [filters/x.star]"), `3:11: filters: want a mapping of "key: value", got a single value`)
	f(inFile("filters: [{}]"), `3:11: filters: missing key "script"`)
	f(inFile("filters: [{name: x}]"), `3:11: filters: missing key "script"`)
	f(inFile("filters: [{script: x.py}]"), `3:20: script "x.py": want a script that ends in .star or .lua`)
	f(inFile("filters: [{script: x}]"), `3:20: script "x": want a script that ends in .star or .lua`)
	f(inFile("filters: [{script: /x.star}]"),
		`3:20: script "/x.star": want a path below the scripts root, with "/" and without "." and ".."`)
	f(inFile("filters: [{script: ../x.star}]"),
		`3:20: script "../x.star": want a path below the scripts root, with "/" and without "." and ".."`)
	f(inFile("filters: [{script: ./x.star}]"),
		`3:20: script "./x.star": want a path below the scripts root, with "/" and without "." and ".."`)
	f(inFile("filters: [{script: 'a\\x.star'}]"),
		`3:20: script "a\\x.star": want a path below the scripts root, with "/" and without "." and ".."`)
	f(inFile("filters: [{script: a//x.star}]"),
		`3:20: script "a//x.star": want a path below the scripts root, with "/" and without "." and ".."`)
	f(inFile("filters: [{script: -x.star}]"),
		`3:20: script "-x.star": its file name makes no name for the binding, want 1 to 64 letters, digits, ".", "_" or "-", the first a letter or digit`)
	f(inFile("filters: [{script: x.star, on_error: close}]"), `3:38: on_error "close": want closed`)
	f(inFile("filters: [{script: x.star, on_error: fail}]"), `3:38: on_error "fail": want open or closed`)
	f(inFile("filters: [{script: x.star, isolation: none}]"), `3:39: isolation "none": want state or call`)
	f(inFile("filters: [{script: x.star, configs: {}}]"), `3:28: unknown key "configs", want config`)
	f(inFile("filters: [{script: x.star, config: 5}]"), `3:36: config: want a mapping of "key: value", got a single value`)
	f(inFile("filters: [{script: x.star, budgets: {time: 0}}]"), `3:44: time "0": want a duration longer than 0`)
	f(inFile("filters: [{script: x.star, budgets: {total_memory: 1MiB}}]"), `3:38: unknown key "total_memory", want time, steps, memory or per_mib`)
	f(inFile("filters: [{script: x.star, budgets: {memory: 1GiB}}]"),
		`3:46: budgets: memory is more than total_memory, which all calls share, want at most 536870912`)
	f(inFile("router: routers/x.star"), `3:9: router: want a mapping of "key: value", got a single value`)
	f(inFile("router: {script: x.star, on_error: open}"), `3:26: unknown key "on_error", want name, script, config or budgets`)
	f(inFile("observers: [{script: x.lua, on_error: open}]"),
		`3:29: unknown key "on_error", want name, script, config, budgets or isolation`)
	f(inFile("observers: {script: x.lua}"), `3:12: observers: want a list, got a mapping of "key: value"`)
}

func TestThingsThatAreThereTwice(t *testing.T) {
	t.Parallel()
	f := refuses(t)
	f("upstreams:\n  - {name: a, kind: anthropic_direct, signer: {type: forward}}\n"+
		"  - {name: a, kind: anthropic_direct, signer: {type: forward}}\n"+minPrincipals,
		`3:12: upstream "a" is there twice, first at 2:12`)
	f("upstreams:\n  - {name: a, kind: anthropic_direct, signer: {type: forward}, id: 6ba7b811-9dad-11d1-80b4-00c04fd430c8}\n"+
		"  - {name: b, kind: anthropic_direct, signer: {type: forward}, id: 6BA7B811-9dad-11d1-80b4-00c04fd430c8}\n"+minPrincipals,
		`3:68: upstream id "6BA7B811-9dad-11d1-80b4-00c04fd430c8" is there twice, first at 2:68`)
	f(minUpstreams+"principals:\n  - {name: a, keys: ["+hashA+"]}\n  - {name: a, keys: []}\n",
		`4:12: principal "a" is there twice, first at 3:12`)
	f(minUpstreams+"principals:\n  - {name: a, keys: ["+hashA+"]}\n  - {name: b, keys: [{hash: "+hashA+"}]}\n",
		"4:29: a key with this hash is there twice, first at 3:22")
	f(minUpstreams+"principals:\n  - name: a\n    keys: [{hash: "+hashA+", name: k}, {hash: "+hashB+", name: k}]\n",
		`4:188: key "k" is there twice, first at 4:98`)
	f(inFile("filters:\n  - {name: x, script: a.star}\n  - {name: x, script: b.star}"),
		`5:12: filter "x" is there twice, first at 4:12`)
	f(inFile("filters:\n  - {script: a/x.star}\n  - {script: b/x.lua}"),
		`5:14: filter named after "b/x.lua" is there twice, first at 4:14`)
	f(inFile("observers:\n  - {name: x, script: a.star}\n  - {script: x.star}"),
		`5:14: observer named after "x.star" is there twice, first at 4:12`)
	f(inPrincipal("filters: [{script: x.star}, {script: x.star}]"),
		`5:42: filter named after "x.star" is there twice, first at 5:24`)
}

func TestMistakesInAffinity(t *testing.T) {
	t.Parallel()
	f := refuses(t)
	f(inFile("strategy: affinity\naffinity: {subagents: each}"), `4:23: subagents "each": want share or split`)
	f(inFile("strategy: affinity\naffinity: {ttl: 0}"), `4:17: ttl "0": want a duration longer than 0`)
	f(inFile("strategy: affinity\naffinity: {sticky: true}"), `4:12: unknown key "sticky", want subagents or ttl`)
}

func TestMistakesInLimits(t *testing.T) {
	t.Parallel()
	f := refuses(t)
	f(inPrincipal("limits: {kind: requests}"), `5:13: limits: want a list, got a mapping of "key: value"`)
	f(inPrincipal("limits: [{kind: request, window: 1m, max: 1}]"), `5:21: kind "request": want requests`)
	f(inPrincipal("limits: [{window: 1m, max: 1}]"), `5:14: limits: missing key "kind"`)
	f(inPrincipal("limits: [{kind: requests, max: 1}]"), `5:14: limits: missing key "window", which kind requests needs`)
	f(inPrincipal("limits: [{kind: requests, window: 1m}]"), `5:14: limits: missing key "max"`)
	f(inPrincipal("limits: [{kind: concurrency, window: 1m, max: 1}]"),
		`5:42: limits: kind concurrency counts requests at once, want no window`)
	f(inPrincipal("limits: [{kind: requests, window: 10ms, max: 1}]"), `5:39: window "10ms": want a window of at least 1s`)
	f(inPrincipal("limits: [{kind: requests, window: soon, max: 1}]"), `5:39: window "soon": want a duration such as 500ms, 30s, 5m or 1d, up to 3650d`)
	f(inPrincipal("limits: [{kind: requests, window: 1m, max: 0}]"), `5:48: max "0": want a whole number from 1 to 9007199254740992`)
	f(inPrincipal("limits: [{kind: requests, window: 1m, max: 1.5}]"), `5:48: max "1.5": want a whole number from 1 to 9007199254740992`)
	f(inPrincipal("limits: [{kind: cost_usd, window: 1d, max: $5}]"),
		`5:48: max "$5": want a number of dollars such as 0.5 or 100, up to 1000000000`)
	f(inPrincipal("limits: [{kind: requests, window: 1m, max: 1, per: key}]"), `5:51: unknown key "per", want kind, window or max`)
	f(inPrincipal("limits: [{kind: requests, window: 60s, max: 1}, {kind: requests, window: 1m, max: 2}]"),
		`5:53: limits: requests over this window is there twice, first at 5:14`)
	f(asKey("{hash: "+hashB+", limits: [{kind: tokens, window: 1m, max: 1}]}"),
		`5:105: kind "tokens": want requests, input_tokens, output_tokens, total_tokens, cost_usd or concurrency`)
}

func TestMistakesInFailover(t *testing.T) {
	t.Parallel()
	f := refuses(t)
	f(inFile("retry: x"), `3:8: retry: want a mapping of "key: value", got a single value`)
	f(inFile("retry: {attempts: 0}"), `3:19: attempts "0": want a whole number from 1 to 100`)
	f(inFile("retry: {atempts: 2}"), `3:9: unknown key "atempts", want attempts`)
	f(inFile("retry: {statuses: 500}"), "3:19: statuses: want a list, got a single value")
	f(inFile("retry: {statuses: [500, 200]}"), `3:25: statuses "200": want a whole number from 400 to 599`)
	f(inUpstream("concurrency: 0"), `6:18: concurrency "0": want a whole number from 1 to 1000000`)
	f(inUpstream("queue: {max: -1}"), `6:18: max "-1": want a whole number from 0 to 1000000`)
	f(inUpstream("queue: {wait: 0s}"), `6:19: wait "0s": want a duration longer than 0`)
	f(inUpstream("queue: 5"), `6:12: queue: want a mapping of "key: value", got a single value`)
	f(inUpstream("breaker: {failures: 0}"), `6:25: failures "0": want a whole number from 1 to 1000`)
	f(inUpstream("breaker: {within: soon}"), `6:23: within "soon": want a duration such as 500ms, 30s, 5m or 1d, up to 3650d`)
	f(inUpstream("breaker: {opens: 1s}"), `6:15: unknown key "opens", want open`)
}

func TestMistakesInExperiments(t *testing.T) {
	t.Parallel()
	f := refuses(t)
	in := func(lines string) string {
		return inFile("filters: [{name: f, experiment: e}]\nexperiments:\n  - " + lines)
	}
	f(inFile("experiments: x"), "3:14: experiments: want a list, got a single value")
	f(in("{name: e, slot: filter}"), `5:5: experiments: missing key "arms"`)
	f(in("{name: e, slot: filter, arms: []}"), "5:35: arms: empty list, want at least one arm")
	f(in("{name: e, slot: observer, arms: [{script: a.lua}]}"), `5:21: slot "observer": want filter or dialect`)
	f(in("{name: e, slot: filter, unit: user, arms: [{script: a.lua}]}"), `5:35: unit "user": want session, principal or request`)
	f(in("{name: e, slot: filter, arms: [{script: a.lua, weight: -1}]}"), `5:60: weight "-1": want a number from 0 to 1000000`)
	f(in("{name: e, slot: filter, arms: [{script: a.lua, weight: NaN}]}"), `5:60: weight "NaN": want a number from 0 to 1000000`)
	f(in("{name: e, slot: filter, arms: [{script: a.lua, weight: 0}, {name: b, script: a.star, weight: 0}]}"),
		"5:35: arms: the weights are all 0, want one above it")
	f(in("{name: e, slot: filter, arms: [{name: a, script: a.lua}, {name: a, script: b.lua}]}"), `5:69: arm "a" is there twice, first at 5:43`)
	f(in("{name: e, slot: filter, arms: [{script: a.lua}, {script: a.star}]}"), `5:62: arm named after "a.star" is there twice, first at 5:45`)
	f(in("{name: e, slot: filter, arms: [{script: a.lua}], shadow: [{name: a, script: b.lua}]}"),
		`5:70: shadow "a" is there twice, first at 5:45`)
	f(in("{name: e, slot: filter, arms: [{name: a}]}"), `5:36: arms: missing key "script"`)
	f(in("{name: e, slot: filter, arms: [{script: a.lua, on_error: closed}]}"),
		`5:52: unknown key "on_error", want name, script, config, budgets or weight`)
	f(in("{name: e, slot: filter, arms: [{script: a.lua}]}\n  - {name: e, slot: filter, arms: [{script: a.lua}]}"),
		`6:12: experiment "e" is there twice, first at 5:12`)
	f(in("{name: e, slot: filter, arms: [{script: a.lua}]}\n  - {name: g, slot: filter, arms: [{script: a.lua}]}"),
		`6:5: experiment "g" is bound nowhere, want a filter or a dialect with "experiment: g"`)
}

func TestMistakesInBindingsOfExperiments(t *testing.T) {
	t.Parallel()
	f := refuses(t)
	trial := "experiments: [{name: e, slot: filter, arms: [{script: a.lua}]}, {name: d, slot: dialect, arms: [{script: a.lua}]}]\n"
	in := func(filters string) string {
		return minPrincipals + "upstreams: [{name: up, kind: anthropic_direct, signer: {type: forward}, dialect: {experiment: d}}]\n" + trial +
			"filters: " + filters
	}
	f(inFile("filters: [{name: x, experiment: y}]"), `3:33: experiment: unknown experiment "y", and the file has none`)
	f(in("[{experiment: e}, {name: x, experiment: tier}]"), `4:50: experiment: unknown experiment "tier", want e or d`)
	f(in("[{experiment: e}, {name: x, experiment: d}]"), `4:50: experiment: "d" is for slot dialect, want one for slot filter`)
	f(in("[{experiment: e}, {name: x, experiment: e}]"), `4:50: experiment "e" is there twice, first at 4:24`)
	f(in("[{experiment: [e, d]}]"), "4:24: experiment: a list, want one name: a binding is part of one experiment")
	f(in("[{experiment: e, script: a.lua}]"), "4:35: script: the binding names an experiment, whose arms have their own, want one of the two")
	f(in("[{experiment: e, config: {a: 1}}]"), "4:35: config: the binding names an experiment, whose arms have their own, want one of the two")
	f(minPrincipals+"upstreams: [{name: up, kind: anthropic_direct, signer: {type: forward}, dialect: {experiment: d}}]\n"+
		"experiments: [{name: d, slot: dialect, arms: [{script: a.lua}], shadow: [{script: b.lua}]}]\n",
		"3:73: shadow: a dialect edits the request it is given, so none can run beside another, want slot filter, or an arm")
}
