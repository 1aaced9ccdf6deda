package lua

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"sluice/engine"
	"sluice/engine/turn"
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

// maxSource caps a file of a script, in bytes: the parser and the compiler have no other bound.
const maxSource = 256 << 10

// program is a compiled file. It is immutable and shared by all states.
type program struct {
	*glua.FunctionProto
	needs  []need
	locals []runtimes.Local // see hookLocals
}

// need is a file that another one requires, by a name that is written out, wherever that stands.
type need struct {
	by   string // the path of the other one
	line int
	name string
}

// compile makes the program of a file. The error is a *engine.ScriptError.
func compile(path string, src []byte) (made *program, err error) {
	if len(src) > maxSource {
		return nil, &engine.ScriptError{File: path, Message: fmt.Sprintf("the file has %d bytes, want at most %d", len(src), maxSource)}
	}
	defer func() {
		if p := recover(); p != nil {
			made, err = nil, &engine.ScriptError{File: path, Message: fmt.Sprintf("the compiler panicked: %v", p), Trap: true}
		}
	}()
	src = bytes.TrimPrefix(src, []byte(runtimes.ByteOrderMark))
	if err := checkOpen(src); err != nil {
		return nil, sourceError(path, string(src), err)
	}
	var turns turn.Shift
	chunk, err := parse.Parse(&pieces{src, &turns}, path)
	if err != nil {
		return nil, sourceError(path, string(src), err)
	}
	locals := hookLocals(chunk)
	needs, err := guard(chunk, &turns)
	if err != nil {
		return nil, sourceError(path, string(src), err)
	}
	for i := range needs {
		needs[i].by = path
	}
	turns.Part()
	proto, err := glua.Compile(chunk, path)
	turns.Part()
	if err != nil {
		return nil, sourceError(path, string(src), err)
	}
	if err := checkUpvalues(proto); err != nil {
		return nil, sourceError(path, string(src), err)
	}
	if err := checkForeign(proto); err != nil {
		return nil, err
	}
	clip(proto)
	return &program{proto, needs, locals}, nil
}

// pieces is a source that the parser reads a piece at a time.
type pieces struct {
	rest  []byte
	turns *turn.Shift
}

// pieceOfSource is how many bytes are parsed at once, in some 100 us.
const pieceOfSource = 1 << 10

func (p *pieces) Read(to []byte) (int, error) {
	p.turns.Part()
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(to, p.rest[:min(len(p.rest), pieceOfSource)])
	p.rest = p.rest[n:]
	return n, nil
}

// clip drops the room that the compiler took for code that did not come: some 15 KiB a function, as long as the file is kept.
func clip(proto *glua.FunctionProto) {
	proto.Code, proto.Constants = unroomed(proto.Code), unroomed(proto.Constants)
	proto.DbgSourcePositions, proto.DbgCalls = unroomed(proto.DbgSourcePositions), unroomed(proto.DbgCalls)
	for _, nested := range proto.FunctionPrototypes {
		clip(nested)
	}
}

// unroomed is a copy without room, also of what is empty, where slices.Clone keeps the old room.
func unroomed[E any](s []E) []E { return append([]E(nil), s...) }

// newlines are what the scanner counts as the end of one line.
var newlines = strings.NewReplacer("\r\n", "\n", "\n\r", "\n", "\r", "\n")

// gotoLine is how the compiler tells where the goto is that its error is about: in the text alone.
var gotoLine = regexp.MustCompile(` at line (\d+)`)

// misjumped places what is wrong with a goto at that goto, and leaves any other error as it is.
func misjumped(src string, e *engine.ScriptError) *engine.ScriptError {
	m := gotoLine.FindStringSubmatch(e.Message)
	if m == nil || !strings.Contains(e.Message, "<goto") {
		return e
	}
	e.Line, _ = strconv.Atoi(m[1])
	e.Message = strings.NewReplacer(m[0], "", "<", "", ">", "").Replace(e.Message)
	if lines := strings.Split(src, "\n"); e.Line <= len(lines) {
		e.Column = strings.Index(lines[e.Line-1], "goto") + 1
	}
	return e
}

// sourceError gives an error of the parser or the compiler its place, its column in characters.
func sourceError(path, src string, err error) error {
	src = newlines.Replace(src)
	e := placed(path, src, err)
	if lines := strings.Split(src, "\n"); e.Line >= 1 && e.Line <= len(lines) && e.Column > 1 {
		line := lines[e.Line-1]
		e.Column = utf8.RuneCountInString(line[:min(e.Column-1, len(line))]) + 1
	}
	return e
}

// placed is sourceError with its column in bytes.
func placed(path, src string, err error) *engine.ScriptError {
	var syntax *parse.Error
	var compiling *glua.CompileError
	switch {
	case errors.As(err, &syntax) && strings.Contains(syntax.Message, "multiline") && readOutline(src, 0, 0).endless != nil:
		open := readOutline(src, 0, 0).endless
		return &engine.ScriptError{File: path, Line: open.line, Column: open.column, Message: fmt.Sprintf("%q is not closed, want %q", open.word, open.want)}
	case errors.As(err, &syntax) && syntax.Pos.Line == parse.EOF:
		lines := strings.Count(strings.TrimRight(src, "\n"), "\n") + 1
		return unclosed(src, "", &engine.ScriptError{File: path, Line: lines, Message: syntax.Message + " at the end of the file"})
	case errors.As(err, &syntax) && syntax.Message == "unterminated string" && syntax.Pos.Line > 1:
		// The scanner noticed when it had passed the line's end.
		line := strings.Split(src, "\n")[syntax.Pos.Line-2]
		return &engine.ScriptError{File: path, Line: syntax.Pos.Line - 1, Column: strings.LastIndexAny(line, "\"'") + 1, Message: syntax.Message}
	case errors.As(err, &syntax):
		// The parser stands behind the token that it could not use.
		column := max(1, syntax.Pos.Column-max(0, len(syntax.Token)-1))
		return unclosed(src, syntax.Token, &engine.ScriptError{File: path, Line: syntax.Pos.Line, Column: column,
			Message: fmt.Sprintf("%s near %q", syntax.Message, syntax.Token)})
	case errors.As(err, &compiling):
		return misjumped(src, &engine.ScriptError{File: path, Line: compiling.Line, Message: compiling.Message})
	}
	var complex *tooComplex
	if errors.As(err, &complex) {
		return &engine.ScriptError{File: path, Line: complex.line, Message: complex.Error()}
	}
	return &engine.ScriptError{File: path, Message: err.Error()}
}
