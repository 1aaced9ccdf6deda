package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sluice/engine/keys"
	"sluice/proxy/simulate"
	"sluice/scripts"
)

// demoKey opens the demo while nothing but simulated upstreams is behind it.
const demoKey = "sk-sluice-demo"

// demo is a gateway without a config: simulated upstreams, or the real API if the environment has its key.
type demo struct {
	key     string
	scripts string
	bundled bool // the scripts are those that come with the program, written out for the user
	kept    bool // by an earlier start
	fresh   bool // what the demo writes is in a folder of this start alone
	sims    []*simulate.Provider
	text    []byte
	data    string
}

// newDemo starts what the demo needs. The caller closes it.
func newDemo(scriptsDir string) (*demo, error) {
	d := &demo{key: demoKey}
	var upstreams strings.Builder
	if os.Getenv("ANTHROPIC_API_KEY") != "" {
		d.key, _ = keys.New()
		upstreams.WriteString(`  - {name: anthropic, kind: anthropic_direct, signer: {type: anthropic_key, key: "${ANTHROPIC_API_KEY}"}}` + "\n")
	}
	for _, name := range []string{"sim-a", "sim-b", "sim-c"} {
		if d.key != demoKey {
			break
		}
		p, err := simulate.Start(simulate.Options{Name: name, Pace: 20 * time.Millisecond, Keep: -1})
		if err != nil {
			return nil, errors.Join(err, d.Close())
		}
		d.sims = append(d.sims, p)
		fmt.Fprintf(&upstreams, "  - {name: %s, kind: anthropic_direct, base_url: %q, signer: {type: anthropic_key, key: simulated}}\n", name, p.URL())
	}
	if err := d.places(scriptsDir); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	binding, trial := demoTrialBinding, demoTrial
	if !d.has("filters/tier.star") || !d.has("filters/tier.lua") { // somebody's own scripts
		binding, trial = "", ""
	}
	d.text = fmt.Appendf(nil, `scripts: %q
data: %q
upstreams:
%sprincipals:
  - {name: demo, keys: [%q], paths: ["/v1/*"]}
filters:
  - {name: headroom, script: filters/headroom.lua}
%s  - {name: choose, script: filters/choose.star}
%s`, d.scripts, d.data, upstreams.String(), keys.Sum(d.key), binding, trial)
	return d, nil
}

// The demo's experiment: twins that decide the same until one of them is edited.
const (
	demoTrial = `experiments:
  - name: tier-language
    slot: filter
    arms:
      - {name: starlark, script: filters/tier.star, weight: 50}
      - {name: lua, script: filters/tier.lua, weight: 50}
`
	demoTrialBinding = "  - {name: tier, experiment: tier-language}\n"
)

// has reports whether the scripts of d have a file.
func (d *demo) has(script string) bool {
	_, err := os.Stat(filepath.Join(d.scripts, script))
	return err == nil
}

// places finds the scripts: those asked for, those in ./scripts, or the bundled ones, written out for the user.
func (d *demo) places(scriptsDir string) error {
	home, err := d.home()
	if err != nil {
		return err
	}
	d.data = filepath.Join(home, "data")
	d.scripts = cmp.Or(scriptsDir, "scripts")
	if _, err := os.Stat(filepath.Join(d.scripts, "filters", "choose.star")); err != nil && scriptsDir == "" {
		d.scripts, d.bundled = filepath.Join(home, "scripts"), true
		return d.writeOut()
	}
	d.scripts, err = filepath.Abs(d.scripts)
	return err
}

// home is the folder for what the demo writes: a new one, but where temporary files go to ./data, as in a container. That outlives the
// process, so it is the same at every start.
func (d *demo) home() (string, error) {
	data, err := filepath.Abs("data")
	if err == nil && os.TempDir() == data {
		home := filepath.Join(data, "demo")
		if err := os.MkdirAll(home, 0o755); err != nil {
			return "", fmt.Errorf("make a folder for what the demo writes: %w, want a volume there that this user may write", err)
		}
		return home, nil
	}
	home, err := os.MkdirTemp("", "sluice-demo-")
	if err != nil {
		return "", fmt.Errorf("make a folder for what the demo writes: %w, want TMPDIR to be one where that is possible", err)
	}
	d.fresh = true
	return home, nil
}

// writeOut writes the bundled scripts to where there are none from an earlier start, all or nothing.
func (d *demo) writeOut() error {
	if _, err := os.Stat(d.scripts); err == nil {
		d.kept = true
		return nil
	}
	half := d.scripts + ".new"
	if err := errors.Join(os.RemoveAll(half), writeScripts(half)); err != nil {
		return err
	}
	return os.Rename(half, d.scripts)
}

// writeScripts copies the bundled scripts to dir.
func writeScripts(dir string) error {
	return fs.WalkDir(scripts.FS, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(name))
		if entry.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		text, err := fs.ReadFile(scripts.FS, name)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o644)
	})
}

// Close ends the simulated upstreams. Scripts that were written out stay: they may have been edited. So does all in a folder that is
// the same at every start.
func (d *demo) Close() error {
	var errs []error
	switch {
	case d.fresh && d.bundled:
		errs = append(errs, os.RemoveAll(d.data))
	case d.fresh:
		errs = append(errs, os.RemoveAll(filepath.Dir(d.data)))
	}
	for _, p := range d.sims {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// describe tells what to do next. It fits one screen.
func (d *demo) describe(url string) string {
	where, note := d.scripts, ""
	if d.kept {
		note = "  (as an earlier start left them, yours to edit)"
	} else if d.bundled {
		note = "  (written out now, yours to edit)"
	} else if wd, err := os.Getwd(); err == nil {
		if short, err := filepath.Rel(wd, d.scripts); err == nil && !strings.HasPrefix(short, "..") {
			where = "./" + short
		}
	}
	edit, see := "change the name in filters/choose.star", ""
	if len(d.sims) == 0 { // there is but one upstream to choose
		edit = "change the reason in filters/choose.star"
		see = ", and see it with: sluice explain REQUEST_ID"
	}
	return fmt.Sprintf(`
scripts   %s%s
key       %s

Ask:
  curl -s %s/v1/messages -H 'x-api-key: %s' -H 'anthropic-version: 2023-06-01' \
    -d '{"model":"claude-sonnet-4-5","max_tokens":64,"messages":[{"role":"user","content":"hello"}]}'

Edit: in these scripts, %s; save, ask again%s.

Claude Code:
  export ANTHROPIC_BASE_URL=%s
  export ANTHROPIC_AUTH_TOKEN=%s

`, where, note, d.key, url, d.key, edit, see, url, d.key)
}
