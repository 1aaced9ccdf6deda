package runtimes

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"sluice/engine"
)

var slots = []engine.SlotKind{engine.SlotFilter, engine.SlotRouter, engine.SlotDialect, engine.SlotObserver}

// libraries is where scripts lie that others load. What they call a filter need not be one.
const libraries = "lib/"

// bindAlone binds a script that no config names to each slot that it has a hook of, with the config of its tests.
func (a *Admission) bindAlone(m Module, functions []Function) {
	config, err := a.testConfig(m)
	if err != nil || strings.HasPrefix(a.Path, libraries) { // its tests tell of the error
		return
	}
	a.guessed = config == nil && a.readsConfig(m.Files())
	for _, slot := range slots {
		if definesOne(functions, slotHooks(slot)) {
			a.Bindings = append(a.Bindings, Binding{Slot: slot,
				Manifest: &engine.PluginManifest{Name: string(slot), Artifact: a.Path, Config: config, Files: a.Files, Budget: a.Budget}})
		}
	}
}

// configWord is the name in a line of code: in neither language may a comment stand before it.
var configWord = map[string]*regexp.Regexp{
	".star": regexp.MustCompile(`(?m)^[^#\n]*\bconfig\b`),
	".lua":  regexp.MustCompile(`(?m)^([^-\n]|-[^-\n])*\bconfig\b`),
}

func (a *Admission) readsConfig(files []string) bool {
	word := configWord[a.Language.Extension()]
	return word != nil && slices.ContainsFunc(files, func(name string) bool {
		text, err := fs.ReadFile(a.Files, name)
		return err == nil && word.Match(text)
	})
}

// what names a binding in an error.
func (a *Admission) what(b *Binding) string {
	switch {
	case !a.Alone:
		return fmt.Sprintf("binding %q", b.Manifest.Name)
	case b.Manifest.Config == nil:
		return b.Manifest.Name + " with an empty config"
	}
	return b.Manifest.Name + " with its " + configOfTests
}

// forgives reports whether a script that no config names may be right although it failed: in words of its own, as it may where it has another
// upstream, or for want of a config that nobody told.
func (a *Admission) forgives(err error) bool {
	_, returned := errors.AsType[*engine.OutputError](err)
	e, ok := errors.AsType[*engine.ScriptError](err)
	return a.Alone && ok && !returned && (e.Raised != "" || a.guessed && e.Budget == "" && !e.Trap)
}
