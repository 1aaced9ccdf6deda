package lua

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"sluice/engine"
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// maxStack caps the frames that an error tells, and maxLevels how many are looked at: tail calls count as levels.
const (
	maxStack  = 20
	maxLevels = 200
	maxPlaced = 8 << 10 // bytes of a message that are looked through for places
)

// address is how the interpreter writes a value that has no text. It differs from run to run.
var address = regexp.MustCompile(`\b(table|function|userdata): 0x[0-9a-f]+`)

// repeatable is a message without addresses. A long one is the script's own, which knows none.
func repeatable(message string) string {
	if len(message) > maxPlaced || !strings.Contains(message, ": 0x") {
		return message
	}
	return address.ReplaceAllString(message, "$1")
}

// raise ends the script with an error of the gateway. The interpreter adds the line.
func (s *state) raise(err error) { s.L.RaiseError("%s", err.Error()) }

// failed makes an error of what a call panicked with. The interpreter's frames are still those of the failure.
func (s *state) failed(hook string, p any) *engine.ScriptError {
	out := &engine.ScriptError{Stack: s.stack(hook)}
	out.File, out.Line = s.position()
	raised, ok := p.(*glua.ApiError)
	switch {
	case s.meter.overrun != "":
		out.Message, out.Budget = s.meter.message, s.meter.overrun
	case !ok || raised.Type == glua.ApiErrorPanic:
		out.Message, out.Trap = fmt.Sprintf("%s panicked: %v", hook, p), true
	default:
		s.describe(out, raised.Object)
		if s.raisedLast(raised.Object) {
			out.Raised = engine.Redacted(s.raised)
		}
		out.Message = s.blame(out.Message)
		if out.Raised == "" {
			out.Message = s.advised(out.Message)
		}
	}
	s.raised = ""
	out.Message = engine.Cut(engine.Redacted(engine.Cut(out.Message, 2*engine.MaxErrorMessage)), engine.MaxErrorMessage)
	return out
}

// raisedLast reports whether a value is what the script last called error with, behind its place.
func (s *state) raisedLast(v glua.LValue) bool {
	text, ok := v.(glua.LString)
	whole := len(s.raised) < engine.MaxErrorMessage
	return ok && s.raised != "" && (whole && strings.HasSuffix(string(text), s.raised) || !whole && strings.Contains(string(text), s.raised))
}

// describe takes the message and the place from the value that was raised. The interpreter puts "file:line: " before a text; of several,
// where a caught error was raised again, the last is where it came from.
func (s *state) describe(out *engine.ScriptError, raised glua.LValue) {
	if _, ok := raised.(glua.LString); !ok {
		out.Message = "the script raised " + s.describeValue(raised)
		return
	}
	out.Message = repeatable(strings.TrimPrefix(engine.Cut(raised.String(), maxPlaced), " ")) // raised where no script ran
	for s.cutPlace(out) {
	}
}

// cutPlace takes "file:line: " or "file:line:column: " off the message, where file is one that was loaded.
func (s *state) cutPlace(out *engine.ScriptError) bool {
	for _, path := range s.opened {
		tail, found := strings.CutPrefix(out.Message, path+":")
		if !found {
			continue
		}
		place, message, found := strings.Cut(tail, ": ")
		first, second, _ := strings.Cut(place, ":")
		line, err := strconv.Atoi(first)
		column, columnErr := strconv.Atoi(second)
		if found && err == nil && (second == "" || columnErr == nil) {
			out.File, out.Line, out.Column, out.Message = path, line, column, message
			return true
		}
	}
	return false
}

// describeValue tells what a script raised instead of a text.
func (s *state) describeValue(v glua.LValue) string {
	if t, ok := v.(*glua.LTable); ok {
		if message, ok := behind(t).RawGetString("message").(glua.LString); ok {
			return "a table: " + engine.Cut(string(message), engine.MaxErrorMessage)
		}
	}
	lowered := lower(v)
	if text, err := s.describedJSON(lowered); err == nil && len(text) <= 200 {
		return string(text)
	}
	return "a " + runtimes.TypeName(lowered)
}

// describedJSON is a value that was raised, unless it is a large one. Nothing of it is charged to the call.
func (s *state) describedJSON(v runtimes.Value) ([]byte, error) {
	defer func(of meter) { *s.meter = of }(*s.meter)
	s.meter.begin(engine.Budget{Steps: 2000}, time.Now(), nil)
	return s.AppendJSON(nil, v)
}

// position is where the script stands: the innermost frame that is in a file. Outside of all it is the script itself, without a line.
func (s *state) position() (string, int) {
	for level := 0; level < maxLevels; level++ {
		frame, ok := s.frame(level)
		if !ok {
			break
		}
		if frame.CurrentLine > 0 {
			return frame.Source, frame.CurrentLine
		}
	}
	if len(s.opened) == 0 {
		return "", 0
	}
	return s.opened[0], 0
}

// stack lists the frames in files, innermost first.
func (s *state) stack(hook string) []string {
	var out []string
	for level := 0; level < maxLevels && len(out) < maxStack; level++ {
		frame, ok := s.frame(level)
		if !ok {
			break
		}
		if frame.CurrentLine <= 0 {
			continue
		}
		name := frame.Name
		switch {
		case name == "main chunk" && frame.LineDefined > 0:
			name = hook
		case strings.HasPrefix(name, "<"):
			name = "a function"
		}
		line := fmt.Sprintf("%s:%d: in %s", frame.Source, frame.CurrentLine, name)
		if len(out) == 0 || out[len(out)-1] != line {
			out = append(out, line)
		}
	}
	return out
}

// frame is one level of the call stack. Its CurrentLine is not positive for a Go function.
func (s *state) frame(level int) (*glua.Debug, bool) {
	d, ok := s.L.GetStack(level)
	if !ok {
		return nil, false
	}
	_, err := s.L.GetInfo("Sln", d, nil)
	return d, err == nil
}
