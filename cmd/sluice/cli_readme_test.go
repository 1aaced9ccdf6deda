package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

var (
	fenced = regexp.MustCompile("(?ms)^```(sh|text)\n(.*?)^```$")
	// unsettled is what differs from run to run of what a command shows.
	unsettled = []struct {
		pattern *regexp.Regexp
		is      string
	}{
		{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "TIME"},
		{regexp.MustCompile(`\b[0-9a-f]{12}\b`), "VERSION"},
		{regexp.MustCompile(`-?[0-9.]+ (ms|µs)`), "N $1"},
		{regexp.MustCompile(`(?m) +$`), ""},
		{regexp.MustCompile(` {2,}`), "  "},
	}
)

// readme SECTION N: the Nth block of shell commands in a section of the README works as it stands there, with the addresses of the gateway that
// serves in place of the usual ones, and shows what the README shows below it.
func readmeCommand(ts *testscript.TestScript, _ bool, args []string) {
	text, err := os.ReadFile(filepath.Join(ts.Getenv("ROOT"), "README.md"))
	ts.Check(err)
	_, section, found := strings.Cut(string(text), "\n## "+args[0]+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	n, err := strconv.Atoi(args[1])
	if ts.Check(err); !found {
		ts.Fatalf("the README has no section %q", args[0])
	}
	blocks := fenced.FindAllStringSubmatch(section, -1)
	for i, block := range blocks {
		if block[1] != "sh" {
			continue
		}
		if n--; n > 0 {
			continue
		}
		command := strings.ReplaceAll(block[2], "http://127.0.0.1:8787", ts.Getenv("URL"))
		command = regexp.MustCompile(`sluice experiment \w+`).ReplaceAllString(command, "$0 --admin "+ts.Getenv("ADMIN"))
		ts.Check(ts.Exec("sh", "-e", "-c", command))
		if i+1 < len(blocks) && blocks[i+1][1] == "text" {
			if got, want := settled(ts.ReadFile("stdout")), settled(blocks[i+1][2]); got != want {
				ts.Fatalf("the README shows\n%s\nand it is\n%s", want, got)
			}
		}
		return
	}
	ts.Fatalf("the section %q has no such block", args[0])
}

func settled(text string) string {
	for _, v := range unsettled {
		text = v.pattern.ReplaceAllString(text, v.is)
	}
	return text
}
