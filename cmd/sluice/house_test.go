package main

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pkg is what "go list" tells of a package.
type pkg struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
	Standard     bool
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,GoFiles,Imports,TestImports,XTestImports,Deps,Standard"}, args...)...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// below reports whether a package is root or lies below it.
func below(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// siblings are the imports between parts of engine that have a reason.
var siblings = map[string]string{
	"sluice/engine/ledger sluice/engine/body":      "a row is JSON: one way to escape a text is enough",
	"sluice/engine/promptcache sluice/engine/body": "a prompt is read where it stands in the body",
	"sluice/engine/config sluice/engine/keys":      "the hash of a key is read in one way",
	"sluice/engine/body sluice/engine/turn":        "what moves megabytes lets others run meanwhile",
	"sluice/engine/reload sluice/engine/turn":      "a reload lets requests go first",
}

// fences say where a heavy dependency may be imported, and nowhere else.
var fences = map[string][]string{
	"github.com/valyala/fasthttp": {"sluice/proxy"},
	"go.starlark.net":             {"sluice/runtimes/starlark"},
	"github.com/yuin/gopher-lua":  {"sluice/runtimes/lua"},
	"go.yaml.in/yaml/v3":          {"sluice/engine/config", "sluice/engine/prices"},
	"github.com/fsnotify":         {"sluice/engine/reload"},
	"github.com/urfave/cli":       {"sluice/cmd/sluice"},
	"github.com/prometheus":       {"sluice/proxy/admin"},
	"github.com/cespare/xxhash":   {"sluice/runtimes", "sluice/engine/experiment", "sluice/engine/affinity", "sluice/engine/promptcache"},
	"github.com/aws":              {"sluice/engine/signers"},
	"golang.org/x/oauth2":         {"sluice/engine/signers"},
}

func TestEveryPackageImportsOnlyWhatItMay(t *testing.T) {
	for _, p := range list(t, "./...") {
		for _, imp := range p.Imports {
			if why := forbidden(p.ImportPath, imp); why != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, imp, why)
			}
		}
	}
}

func forbidden(from, imp string) string {
	for dep, allowed := range fences {
		if below(imp, dep) && !slices.ContainsFunc(allowed, func(a string) bool { return below(from, a) }) {
			return "only " + strings.Join(allowed, ", ") + " may"
		}
	}
	if !below(imp, "sluice") {
		return ""
	}
	switch {
	case below(imp, "sluice/cmd"):
		return "nobody imports a command"
	case from == "sluice/engine":
		return "engine imports nothing of the project"
	case below(from, "sluice/engine") && imp != "sluice/engine" && siblings[from+" "+imp] == "":
		return "parts of engine import engine, and a sibling only with a reason"
	case below(from, "sluice/runtimes") && !below(imp, "sluice/engine") && imp != "sluice/runtimes":
		return "runtimes import engine and what they share"
	case below(from, "sluice/proxy") && !below(imp, "sluice/engine") && !below(imp, "sluice/proxy"):
		return "proxy imports engine and its parts"
	case below(from, "sluice/scripts"):
		return "scripts import embed alone"
	}
	return ""
}

func TestEngineNeedsTheStandardLibraryAndUUIDsOnly(t *testing.T) {
	for _, p := range list(t, "-deps", "./engine") {
		if !p.Standard && p.ImportPath != "sluice/engine" && p.ImportPath != "github.com/google/uuid" {
			t.Errorf("engine depends on %s", p.ImportPath)
		}
	}
	for _, p := range list(t, "./engine") {
		for _, imp := range p.Imports {
			if imp == "net/http" || imp == "os" || imp == "net" {
				t.Errorf("engine imports %s: it knows no network and no disk", imp)
			}
		}
	}
}

func TestNoPackageIsAnAttic(t *testing.T) {
	for _, p := range list(t, "./...") {
		switch name := filepath.Base(p.ImportPath); name {
		case "util", "utils", "common", "types", "models", "helpers", "manager":
			t.Errorf("package %s is named for nothing that it does", p.ImportPath)
		}
	}
}

func TestEveryPackageIsDescribedOnceAndHidesNothing(t *testing.T) {
	for _, p := range list(t, "./...") {
		comments := 0
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ImportsOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil {
				comments++
			}
			for _, imp := range f.Imports {
				if imp.Name != nil && imp.Name.Name == "_" && imp.Path.Value != `"embed"` {
					t.Errorf("%s/%s imports %s blankly: wiring is in build.go", p.ImportPath, name, imp.Path.Value)
				}
			}
		}
		if comments != 1 && len(p.GoFiles) > 0 {
			t.Errorf("package %s has %d package comments, want one", p.ImportPath, comments)
		}
	}
}
