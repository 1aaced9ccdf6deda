package runtimes

import (
	"errors"
	"fmt"
	"strings"

	"sluice/engine"
)

var slots = []engine.SlotKind{engine.SlotFilter, engine.SlotRouter, engine.SlotDialect, engine.SlotObserver}

// libraries is where scripts lie that others load. What they call a filter need not be one.
const libraries = "lib/"

// bindAlone binds a script that no config names to each slot that it has a hook of, with the config of its tests.
func (a *Admission) bindAlone(m Module, functions []Function) error {
	if strings.HasPrefix(a.Path, libraries) {
		return nil
	}
	config, err := a.testConfig(m)
	if err != nil {
		return err
	}
	for _, slot := range slots {
		if definesOne(functions, slotHooks(slot)) {
			a.Bindings = append(a.Bindings, Binding{Slot: slot,
				Manifest: &engine.PluginManifest{Name: string(slot), Artifact: a.Path, Config: config, Files: a.Files, Budget: a.Budget}})
		}
	}
	return nil
}

// what names a binding in an error.
func (a *Admission) what(b *Binding) string {
	switch {
	case !a.Alone:
		return fmt.Sprintf("binding %q", b.Manifest.Name)
	case b.Manifest.Config == nil:
		return b.Manifest.Name + " with an empty config (there is no " + configOfTests + ")"
	}
	return b.Manifest.Name + " with its " + configOfTests
}

// forgives reports whether a script that no config names may be right although it failed: in words of its own, as it may where it has another
// upstream, or for want of a config.
func (a *Admission) forgives(err error) bool {
	_, returned := errors.AsType[*engine.OutputError](err)
	e, ok := errors.AsType[*engine.ScriptError](err)
	return a.Alone && ok && !returned && e.Raised != ""
}
