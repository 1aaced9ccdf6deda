package runtimes

import (
	"slices"

	"sluice/engine"
)

// checkLocals finds hooks that were meant to be, and that the gateway does not see: what is bound or defines a hook has a local of the name
// of another one for the same slot.
func (a *Admission) checkLocals(m Module) (found []*engine.ScriptError) {
	functions := m.Functions()
	for _, local := range m.Locals() {
		h, _ := FindHook(local.Name)
		if a.servesIn(h.Slot, m, functions) && !hasHook(functions, h) {
			found = append(found, &engine.ScriptError{File: a.Path, Line: local.Line, Column: local.Column, Message: local.Message})
		}
	}
	return found
}

// servesIn reports whether a script is for a slot, which one tells that is bound there or has a hook for it. One that has neither may be for
// any slot, unless it is a library: it has something to give.
func (a *Admission) servesIn(slot engine.SlotKind, m Module, functions []Function) bool {
	if slices.ContainsFunc(a.Bindings, func(b Binding) bool { return b.Slot == slot }) || definesOne(functions, slotHooks(slot)) {
		return true
	}
	gives := func(name string) bool { return name != "plugin" }
	return len(a.Bindings) == 0 && !slices.ContainsFunc(m.Names(), gives)
}

// hasHook reports whether a script has a hook, or the other one of filter and drop: it may have no more than one of them.
func hasHook(functions []Function, h *Hook) bool {
	if h.Slot == engine.SlotFilter {
		return definesOne(functions, slotHooks(h.Slot))
	}
	return find(functions, h.Name) != nil
}
