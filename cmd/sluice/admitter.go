package main

import (
	"crypto/sha256"
	"io/fs"
	"path"

	"sluice/engine"
	"sluice/engine/reload"
	"sluice/engine/turn"
	"sluice/runtimes"
)

// made is what was made of one version of a script.
type made struct {
	plugins map[string]any // by use.key
	loads   *engine.Loads  // what the plugins share
	tested  trial          // with which its tests passed
}

// madeOf is what was made of a version; nil has nothing, nor has a last good copy.
func madeOf(v *reload.Version) *made {
	if v == nil || v.Plugins == nil {
		return new(made)
	}
	return v.Plugins.(*made)
}

// trial is what the tests of a script run with.
type trial struct {
	call   engine.Budget
	total  int64
	config [sha256.Size]byte // of that from which the script may make their own
}

func (s *scripting) trial(script string) trial {
	return trial{s.plan.cfg.Budget, s.plan.cfg.TotalMemory, sha256.Sum256([]byte(engine.Plain(s.uses[script][0].binding.Config)))}
}

// admitter tries a script in every place where it is used and makes its plugins.
func (s *scripting) admitter(script, bindings string) reload.Admit {
	return func(files fs.FS, before *reload.Version) (reload.Admitted, error) {
		same := before != nil && before.AdmittedIn(bindings)
		if same && !starts(before) {
			return s.instantiate(script, files, before, before.Tests)
		}
		language := s.languages[path.Ext(script)]
		a := runtimes.Admission{Language: language, Files: files, Path: script, Budget: s.plan.cfg.Budget, Known: before != nil, Restart: starts(before),
			Served: same, Tested: madeOf(before).tested == s.trial(script) || s.hasPassed(before)}
		tried := new(engine.Loads) // what a probe leaves in a script's variables, no request finds
		for _, u := range s.uses[script] {
			m := s.manifest(u, files, tried)
			m.Log, m.Restart = nil, a.Restart // a probe is nobody's request
			a.Bindings = append(a.Bindings, runtimes.Binding{Slot: u.slot, Manifest: m, Principal: s.reaching(u), Upstreams: s.concerning(u)})
		}
		got := a.Admit()
		if len(got.Errors) > 0 {
			return reload.Admitted{}, joined(got.Errors)
		}
		if a.Tested {
			got.Tests = before.Tests
		}
		s.passes(before)
		return s.instantiate(script, files, before, got.Tests)
	}
}

// starts reports whether a version is a last good copy, with which the process starts: nothing was made of it here.
func starts(before *reload.Version) bool { return before != nil && before.Plugins == nil }

// testedVersion is one whose tests passed, with what may not be that of what serves.
type testedVersion struct {
	script, version string
	with            trial
}

// maxPassed bounds what is remembered of such versions; beyond it all is forgotten.
const maxPassed = 1000

// hasPassed reports whether a version has passed its tests with all of that, in a config that was refused for something else.
func (s *scripting) hasPassed(v *reload.Version) bool {
	return v != nil && s.passed[testedVersion{v.Path, v.SHA256, s.trial(v.Path)}]
}

func (s *scripting) passes(v *reload.Version) {
	if v == nil || v.SHA256 == "" { // a copy of the start is tried once
		return
	}
	if s.passed == nil || len(s.passed) >= maxPassed {
		s.passed = make(map[testedVersion]bool)
	}
	s.passed[testedVersion{v.Path, v.SHA256, s.trial(v.Path)}] = true
}

// instantiate makes the plugins of a script that passed so many tests, one for each place where it is used. They share what before loaded.
func (s *scripting) instantiate(script string, files fs.FS, before *reload.Version, tests int) (reload.Admitted, error) {
	serving := &made{make(map[string]any), madeOf(before).loads.Next(), s.trial(script)}
	for _, u := range s.uses[script] {
		m := s.manifest(u, files, serving.loads)
		m.Restart = starts(before)
		plugin, err := instantiate(s.languages[path.Ext(script)], u.slot, m)
		if err != nil {
			return reload.Admitted{}, err
		}
		serving.plugins[u.key()] = plugin
	}
	serving.loads.Settle()
	return reload.Admitted{Tests: tests, Plugins: serving}, nil
}

// instantiate makes the plugin of a binding. Requests go first.
func instantiate(l runtimes.Language, slot engine.SlotKind, m *engine.PluginManifest) (any, error) {
	turn.Yield()
	switch slot {
	case engine.SlotFilter:
		return l.InstantiateFilter(m)
	case engine.SlotRouter:
		return l.InstantiateRouter(m)
	case engine.SlotDialect:
		return l.InstantiateDialect(m)
	}
	return l.InstantiateObservability(m)
}

// manifest is what a runtime needs to make the plugin of one use.
func (s *scripting) manifest(u *use, files fs.FS, loads *engine.Loads) *engine.PluginManifest {
	m := &engine.PluginManifest{Name: u.binding.Name, Artifact: u.binding.Script, Files: files, Config: u.binding.Config,
		Fresh: u.binding.Fresh, Budget: u.binding.Budget, Upstreams: s.plan.upstreams, Log: s.log, Loads: loads}
	if u.principal != nil {
		m.Principal = u.principal.Name
	}
	return m
}

// concerning is the upstream whose dialect a use is; nil = the use is about all of them.
func (s *scripting) concerning(u *use) []*engine.Upstream {
	for _, up := range s.plan.upstreams {
		if up.Name == u.upstream {
			return []*engine.Upstream{up}
		}
	}
	return nil
}

// reaching is a principal that a use serves.
func (s *scripting) reaching(u *use) *engine.Principal {
	if u.principal != nil {
		return u.principal
	}
	for _, p := range s.plan.principals {
		if !p.OwnFilters || u.slot != engine.SlotFilter {
			return p
		}
	}
	return s.plan.principals[0]
}
