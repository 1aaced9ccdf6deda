package starlark

import (
	"errors"
	"fmt"
	"strings"

	"sluice/engine"

	sky "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// inScript reports whether a position is in a file, and not in a built-in function.
func inScript(pos syntax.Position) bool { return pos.Line > 0 }

// at is an error at a place of a file.
func at(pos syntax.Position, message string) *engine.ScriptError {
	return &engine.ScriptError{File: pos.Filename(), Line: int(pos.Line), Column: int(pos.Col), Message: engine.Redacted(message)}
}

// maxMessage bounds what an error says, in bytes: it may hold a text of the script.
const maxMessage = 2 << 10

// scriptError gives an error of the interpreter its place: that of the innermost frame in a file. What a loaded file reports about
// itself stays, with the stack that led to it.
func (r *runner) scriptError(err error) *engine.ScriptError {
	var inner *sky.EvalError
	for e := err; errors.As(e, &inner); {
		e = inner.Unwrap()
	}
	var own *engine.ScriptError
	if inner == nil {
		if errors.As(err, &own) {
			return own
		}
		return &engine.ScriptError{File: r.file, Message: engine.Redacted(err.Error())}
	}
	out := &engine.ScriptError{File: r.file, Message: engine.Cut(engine.Redacted(engine.Cut(advised(inner.Msg), 2*maxMessage)), maxMessage)}
	for _, frame := range inner.CallStack {
		if inScript(frame.Pos) {
			out.File, out.Line, out.Column = frame.Pos.Filename(), int(frame.Pos.Line), int(frame.Pos.Col)
		}
	}
	if errors.As(inner, &own) {
		*out = *own
	}
	if text, ok := strings.CutPrefix(out.Message, "fail: "); ok {
		out.Raised = text
	}
	out.Stack = stackOf(inner.CallStack)
	if r.overrun != "" {
		return r.overran(out)
	}
	return out
}

// maxStack bounds the frames of an error: its innermost ones, and those that led there.
const maxStack = 32

// stackOf lists the frames in files, innermost first.
func stackOf(frames sky.CallStack) []string {
	out := make([]string, 0, min(len(frames), maxStack+1))
	for i := range frames {
		if len(frames) > maxStack && i == maxStack/2 {
			out = append(out, fmt.Sprintf("(%d more calls)", len(frames)-maxStack))
		}
		if f := frames.At(i); inScript(f.Pos) && (i < maxStack/2 || i >= len(frames)-maxStack/2) {
			out = append(out, fmt.Sprintf("%s: in %s", f.Pos, engine.Cut(f.Name, maxMessage)))
		}
	}
	return out
}

// handshakeFailed is a script whose hooks are not those of a plugin.
func handshakeFailed(err *engine.ScriptError) error {
	return &engine.RuntimeError{Variant: engine.RuntimeHandshakeFailed, Reason: err.Error(), Cause: err}
}

// reasonOf is the text of a failure without the name of its kind.
func reasonOf(err error) string {
	var script *engine.ScriptError
	if errors.As(err, &script) {
		return script.Error()
	}
	return err.Error()
}
