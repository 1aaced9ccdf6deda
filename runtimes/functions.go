package runtimes

import (
	"fmt"
	"iter"
	"strings"

	"sluice/engine"
)

// checkNames finds names of hooks and tests that stand for something else than a function of the script.
func (a *Admission) checkNames(m Module, functions []Function) (found []*engine.ScriptError) {
	reserved := func(name string) bool {
		_, hook := FindHook(name)
		return hook || isTest(name)
	}
	for name, v := range others(m, functions, reserved) {
		found = append(found, a.noFunction(m, name, v))
	}
	return found
}

// others are the globals of such names that are no functions of the script.
func others(m Module, functions []Function, such func(name string) bool) iter.Seq2[string, Value] {
	seen := make(map[string]bool, len(functions))
	for i := range functions {
		seen[functions[i].Name] = true
	}
	return func(yield func(string, Value) bool) {
		for _, name := range m.Names() {
			if seen[name] || !such(name) {
				continue
			}
			seen[name] = true
			if v, ok := m.Global(name); ok && !yield(name, v) {
				return
			}
		}
	}
}

func (a *Admission) noFunction(m Module, name string, v Value) *engine.ScriptError {
	what := describeKind(v)
	if v.Kind == Own && TypeName(v) == "function" {
		what = "a function of the language"
	}
	return a.atGlobal(m, name, fmt.Errorf("%s is %s, want a function of this script", name, what))
}

// checkFunctions judges the names and the parameters of what the script defines.
func (a *Admission) checkFunctions(functions []Function) (found []*engine.ScriptError) {
	refuse := func(f *Function, format string, args ...any) {
		found = append(found, a.atFunction(f, fmt.Errorf(format, args...)))
	}
	for i := range functions {
		f := &functions[i]
		if err := checkFunction(f); err != nil {
			refuse(f, "%v", err)
		}
	}
	if f := find(functions, "drop"); f != nil && find(functions, "filter") != nil {
		refuse(f, "defines both filter and drop, want one of them")
	}
	for _, b := range a.Bindings {
		if names := slotHooks(b.Slot); !definesOne(functions, names) {
			near, text := nearHook(functions, names)
			refuse(near, "defines no %s%s, want one for binding %q", strings.Join(names, " or "), text, b.Manifest.Name)
		}
	}
	return found
}

// atFunction is an error where a function is defined, or of the file where there is none.
func (a *Admission) atFunction(f *Function, err error) *engine.ScriptError {
	if f == nil {
		return &engine.ScriptError{File: a.Path, Message: err.Error()}
	}
	return &engine.ScriptError{File: a.Path, Line: f.Line, Column: f.Column, Message: err.Error()}
}

func checkFunction(f *Function) error {
	if isTest(f.Name) && f.Params != 1 {
		return fmt.Errorf("%s takes %d parameters, want %s(t)", f.Name, f.Params, f.Name)
	}
	if h, ok := FindHook(f.Name); ok {
		return h.CheckParams(f.Params)
	}
	return nil
}

func find(functions []Function, name string) *Function {
	for i := range functions {
		if functions[i].Name == name {
			return &functions[i]
		}
	}
	return nil
}

func definesOne(functions []Function, names []string) bool {
	for _, name := range names {
		if find(functions, name) != nil {
			return true
		}
	}
	return false
}

// nearHook finds a function whose name is a slip away from one of these hooks, and says so.
func nearHook(functions []Function, hooks []string) (near *Function, text string) {
	for i := range functions {
		for _, hook := range hooks {
			if name := functions[i].Name; len(name) <= maxMisspelt && engine.Slips(name, hook) == 1 {
				return &functions[i], fmt.Sprintf(" (%s is near)", functions[i].Name)
			}
		}
	}
	return nil, ""
}

// slotHooks are the hooks of which a slot wants one.
func slotHooks(slot engine.SlotKind) []string {
	var names []string
	for i := range Hooks {
		if Hooks[i].Slot == slot {
			names = append(names, Hooks[i].Name)
		}
	}
	return names
}
