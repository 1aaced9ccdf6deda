package conformance_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/runtimes"
	"sluice/runtimes/lua"
	"sluice/runtimes/starlark"
)

const fixtures = "../../testdata/scripts"

func languages() []runtimes.Language {
	return []runtimes.Language{starlark.New(), lua.New()}
}

func TestEveryFixtureHoldsInEachLanguageItIsWrittenIn(t *testing.T) {
	ran := 0
	err := filepath.WalkDir(fixtures, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".txtar") {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(fixtures, path)
		ran++
		t.Run(filepath.ToSlash(name), func(t *testing.T) {
			t.Parallel()
			runFixture(t, filepath.ToSlash(name), src)
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if ran < 80 {
		t.Errorf("%d fixtures ran, want at least 80", ran)
	}
}

func runFixture(t *testing.T, name string, src []byte) {
	f, err := runtimes.ParseFixture(name, src)
	if err != nil {
		t.Fatal(err)
	}
	scripts := os.DirFS("../../scripts")
	ran := 0
	for _, lang := range languages() {
		if !f.Covers(lang, scripts) {
			continue
		}
		ran++
		if err := f.Run(lang, scripts); err != nil {
			t.Errorf("%s: %v", lang.Extension(), err)
		}
	}
	if ran == 0 {
		t.Errorf("there is no script %s", f.Script)
	}
}
