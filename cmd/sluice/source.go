package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v3"

	"sluice/engine/config"
)

// defaultConfig is what commands read when no --config is given and the file is there.
const defaultConfig = "sluice.yaml"

func configFlag() cli.Flag {
	return textFlag("config", "config `FILE`, default: sluice.yaml if it is there")
}

func adminFlag() cli.Flag {
	return textFlag("admin", "`URL` of the admin API, default: as the config says")
}

func scriptsFlag() cli.Flag {
	return textFlag("scripts", "root `DIR` of the scripts, in place of the config's")
}

// configPath is what --config says, which must be there, or sluice.yaml if it is, or "".
func configPath(c *cli.Command) (string, error) {
	name := cmp.Or(c.String("config"), defaultConfig)
	_, err := os.Stat(name)
	switch {
	case err == nil:
		return name, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	case c.IsSet("config"):
		return "", fmt.Errorf("there is no config %q", name)
	}
	return "", nil
}

// readConfig parses a config file by itself, for what must be known before anything is built.
func readConfig(b *builder) (*config.Config, error) {
	text := b.text
	if text == nil {
		var err error
		if text, err = os.ReadFile(b.name); err != nil {
			return nil, err
		}
	}
	return b.parse(text, b.env().File)
}

// stubs is the file in which editors look up what scripts can call. It is no script.
const stubs = "sluice.lua"

// sources lists the scripts and fixtures that paths name, folders as a whole, and finds the scripts root: that of --scripts, or the one that the
// first script lies in, or for fixtures alone that of the config, or ./scripts.
func sources(c *cli.Command, paths []string) (root string, files []string, err error) {
	root = c.String("scripts")
	for _, path := range paths {
		below, err := expand(path)
		if err != nil {
			return "", nil, err
		}
		if root == "" && slices.ContainsFunc(below, func(f string) bool { return filepath.Ext(f) != ".txtar" }) {
			root = rootOf(path, configuredRoot(c))
		}
		files = append(files, below...)
	}
	if root == "" {
		root = cmp.Or(configuredRoot(c), "scripts")
	}
	return root, files, nil
}

// configuredRoot is the scripts root that the config names, whatever else is wrong with that; "" where none can be read.
func configuredRoot(c *cli.Command) string {
	name, err := configPath(c)
	if err != nil || name == "" {
		return ""
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	b := newBuilder(name)
	root, err := config.ScriptsRoot(name, text, b.env())
	if err != nil {
		return ""
	}
	return b.path(root)
}

// expand lists what a path names: the file, or all scripts and fixtures below the folder.
func expand(path string) (files []string, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no file or folder %q", path)
	}
	if err != nil || !info.IsDir() {
		return []string{path}, err
	}
	err = fs.WalkDir(os.DirFS(path), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && entry.Name() != stubs && testable(name) {
			files = append(files, filepath.Join(path, filepath.FromSlash(name)))
		}
		return err
	})
	return files, err
}

func testable(name string) bool {
	return slices.Contains([]string{".star", ".lua", ".txtar"}, filepath.Ext(name))
}

// kinds are the folders that scripts usually lie in, below their root.
var kinds = []string{"filters", "dialects", "routers", "observers"}

// rootOf is the scripts root that a script, or a folder of scripts, lies in: the configured one, if it does, or the folder itself where it holds
// one of the usual kinds, or the one above the nearest of these.
func rootOf(path, configured string) string {
	if _, err := pathBelow(configured, path); err == nil && configured != "" {
		return configured
	}
	folder, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		folder = filepath.Dir(folder)
	}
	if holdsKind(folder, "") {
		return folder
	}
	if filepath.Base(folder) == "lib" { // and none far above: that of a system is no library of scripts
		return filepath.Dir(folder)
	}
	for dir := folder; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		above, name := filepath.Dir(dir), filepath.Base(dir)
		if slices.Contains(kinds, name) && (dir == folder || isHere(dir) || holdsKind(above, name)) {
			return above
		}
	}
	return folder
}

// holdsKind reports whether a folder has one of the usual kinds in it beside the one named. Without, one far above a script may be anybody's.
func holdsKind(folder, beside string) bool {
	return slices.ContainsFunc(kinds, func(kind string) bool {
		info, err := os.Stat(filepath.Join(folder, kind))
		return err == nil && info.IsDir() && kind != beside
	})
}

// isHere reports whether a folder lies where the command runs.
func isHere(folder string) bool {
	_, err := pathBelow(".", folder)
	return err == nil
}

// pathBelow is the path of a script below its root, with slashes.
func pathBelow(root, file string) (string, error) {
	top, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(top, abs)
	if err != nil || !filepath.IsLocal(rel) {
		return "", fmt.Errorf("%q is outside the scripts root %q", file, root)
	}
	return filepath.ToSlash(rel), nil
}
