package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"sluice/engine/config"
	"sluice/engine/keys"
)

// blocks returns the fenced blocks of a language in a Markdown file.
func blocks(t *testing.T, file, language string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		out = append(out, m[1])
	}
	if len(out) == 0 {
		t.Fatalf("%s has no block in %s", file, language)
	}
	return out
}

// field walks down mappings and lists.
func field(v any, path ...any) any {
	for _, p := range path {
		switch at := v.(type) {
		case map[string]any:
			v = at[p.(string)]
		case []any:
			v = at[p.(int)]
		default:
			return nil
		}
	}
	return v
}

func TestTheReadmesConfigIsOneAndItsManifestsAreYAML(t *testing.T) {
	for _, text := range blocks(t, "../../README.md", "yaml") {
		var doc any
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			t.Errorf("%v in\n%s", err, text)
			continue
		}
		switch {
		case field(doc, "services") != nil:
			if image := field(doc, "services", "sluice", "image"); image != "sluice" {
				t.Errorf("compose runs image %v", image)
			}
			grace, err := time.ParseDuration(fmt.Sprint(field(doc, "services", "sluice", "stop_grace_period")))
			if err != nil || grace <= time.Minute {
				t.Errorf("compose gives a drain %v, %v; want more than the minute that it may take", grace, err)
			}
		case field(doc, "kind") != nil:
			args := field(doc, "spec", "template", "spec", "containers", 0, "args").([]any)
			if args[0] != "serve" || field(doc, "spec", "selector", "matchLabels", "app") != field(doc, "spec", "template", "metadata", "labels", "app") {
				t.Errorf("the deployment is not one of its own pods: %v", doc)
			}
		default:
			text = strings.ReplaceAll(text, `"sha256:…"`, `"`+keys.Sum("x").String()+`"`)
			env := config.Env{Var: func(string) (string, bool) { return "v", true }, File: func(string) ([]byte, error) { return []byte("v"), nil }}
			if _, err := config.Parse("README.md", []byte(text), env); err != nil {
				t.Error(err)
			}
		}
	}
}

// What the README shows of a script is a script that passes its own tests.
func TestTheReadmesOfScriptsShowScriptsThatLoad(t *testing.T) {
	for language, ext := range map[string]string{"python": ".star", "lua": ".lua"} {
		for i, text := range blocks(t, "../../scripts/README.md", language) {
			if strings.HasPrefix(text, "def test_") || strings.HasPrefix(text, "function test_") {
				text = blocks(t, "../../scripts/README.md", language)[0] + text // it tests the first
			}
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS("../../scripts")); err != nil {
				t.Fatal(err)
			}
			name := dir + "/shown" + ext
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			if code := run([]string{"sluice", "check", "--scripts", dir, name}, &out, &out); code != exitFine {
				t.Errorf("block %d in %s: %s", i, language, out.String())
			}
		}
	}
}

func TestTheFixtureThatTheReadmeShowsPassesInBothLanguages(t *testing.T) {
	name := t.TempDir() + "/shown.txtar"
	if err := os.WriteFile(name, []byte(blocks(t, "../../scripts/README.md", "txtar")[0]), 0o644); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if code := run([]string{"sluice", "test", "--scripts", "../../scripts", name}, &out, &out); code != exitFine || out.String() != "2 passed, 0 failed\n" {
		t.Error(out.String())
	}
}
