package lua

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sluice/engine"
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// hook is a function of a script that the gateway calls. It stands for the function of that name in any state.
type hook struct {
	name string
	file string // where it is defined
	line int
	args int // how many arguments it takes of those there are
}

// scriptFunction returns the function that a file defined under a name; false where there is none, or one that is no script's.
func (m *module) scriptFunction(name string) (*glua.LFunction, bool) {
	if !slices.ContainsFunc(m.defined, func(d definition) bool { return d.name == name }) {
		return nil, false
	}
	f, ok := m.globals.RawGetString(name).(*glua.LFunction)
	return f, ok && !f.IsG
}

// hooks are the hooks that a file defined, in any state.
func (m *module) hooks() map[string]*glua.FunctionProto {
	found := make(map[string]*glua.FunctionProto)
	for i := range runtimes.Hooks {
		name := runtimes.Hooks[i].Name
		if f, ok := m.scriptFunction(name); ok {
			found[name] = f.Proto
		}
	}
	return found
}

// paramsOf counts a function's parameters. A trailing "..." is one, and takes all arguments.
func paramsOf(p *glua.FunctionProto) (n int, variadic bool) {
	n = int(p.NumParameters)
	if variadic = p.IsVarArg&glua.VarArgIsVarArg != 0; variadic {
		n++
	}
	return n, variadic
}

// hook finds a hook, nil where the script has none. Its parameters must be as many as the gateway gives, or fewer.
func (i *instance) hook(name string) (*hook, error) {
	p := i.hooks[name]
	if p == nil {
		return nil, nil
	}
	h, _ := runtimes.FindHook(name)
	n, variadic := paramsOf(p)
	out := &hook{name, p.SourceName, p.LineDefined, n}
	if err := h.CheckParams(n); err != nil {
		return nil, handshakeFailed(out.at(err.Error()))
	}
	if variadic {
		out.args = len(h.Params)
	}
	return out, nil
}

// at is an error at the hook's definition.
func (h *hook) at(message string) *engine.ScriptError {
	return &engine.ScriptError{File: h.file, Line: h.line, Message: engine.Redacted(message)}
}

// placed puts a complaint about what the hook returned, an *engine.OutputError, at its definition. Any other error is returned as it is.
func (h *hook) placed(err error) error {
	var out *engine.OutputError
	if !errors.As(err, &out) {
		return err
	}
	placed := h.at(out.Reason)
	return &engine.OutputError{Variant: out.Variant, Reason: placed.Error(), Cause: placed}
}

// returned is what was wrong with what h returned: a budget that was spent while it was read, or as placed tells it.
func (c *call) returned(h *hook, err error) error {
	if c.meter.overrun == "" {
		return h.placed(err)
	}
	over := h.at(c.meter.message)
	over.Budget = c.meter.overrun
	return over
}

func handshakeFailed(err *engine.ScriptError) error {
	return &engine.RuntimeError{Variant: engine.RuntimeHandshakeFailed, Reason: err.Error(), Cause: err}
}

// missing is the error of a script that has no hook for its slot.
func (s *script) missing(binding string, names ...string) error {
	e := &engine.ScriptError{File: s.manifest.Artifact, Message: fmt.Sprintf("defines no %s, want one for binding %q",
		strings.Join(names, " or "), binding)}
	return &engine.RuntimeError{Variant: engine.RuntimeInstantiateFailed, Reason: e.Error(), Cause: e}
}

// reasonOf is the text of an error for a trace.
func reasonOf(err error) string {
	var out *engine.OutputError
	if errors.As(err, &out) {
		return out.Reason
	}
	return err.Error()
}
