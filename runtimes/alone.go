package runtimes

import (
	"errors"
	"fmt"

	"sluice/engine"
)

var slots = []engine.SlotKind{engine.SlotFilter, engine.SlotRouter, engine.SlotDialect, engine.SlotObserver}

// bindAlone binds a script that no config names to each slot that it has a hook of, with an empty config.
func (a *Admission) bindAlone(functions []Function) {
	for _, slot := range slots {
		if definesOne(functions, slotHooks(slot)) {
			a.Bindings = append(a.Bindings, Binding{Slot: slot,
				Manifest: &engine.PluginManifest{Name: string(slot), Artifact: a.Path, Files: a.Files, Budget: a.Budget}})
		}
	}
}

// what names a binding in an error.
func (a *Admission) what(b *Binding) string {
	if a.Alone {
		return b.Manifest.Name + " with an empty config"
	}
	return fmt.Sprintf("binding %q", b.Manifest.Name)
}

// onPurpose reports whether a script failed in words of its own, as it may where it has another config, or another upstream.
func onPurpose(err error) bool {
	e, ok := errors.AsType[*engine.ScriptError](err)
	return ok && e.Raised != ""
}
