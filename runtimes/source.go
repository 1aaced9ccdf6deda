package runtimes

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf8"

	"sluice/engine"
)

// MaxSource bounds a script, in bytes.
const MaxSource = 256 << 10

// ByteOrderMark is what some editors begin a file with. It is no part of the script.
const ByteOrderMark = "\ufeff"

func (a *Admission) checkSource() error {
	info, err := fs.Stat(a.Files, a.Path)
	var unread *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no such file")
	case errors.As(err, &unread):
		return unread.Err
	case err != nil:
		return err
	case !strings.HasSuffix(a.Path, a.Language.Extension()):
		return fmt.Errorf("want a name that ends in %s", a.Language.Extension())
	case info.Size() > MaxSource:
		return fmt.Errorf("%d bytes, want at most %d", info.Size(), MaxSource)
	}
	return a.checkText()
}

// checkText refuses a file that is no text, such as one that a crash filled with zeros: a parser may take its zero for the end.
func (a *Admission) checkText() error {
	text, err := fs.ReadFile(a.Files, a.Path)
	if err != nil {
		return err
	}
	bad := firstNoText(text)
	if bad < 0 {
		return nil
	}
	line := 1 + bytes.Count(text[:bad], []byte("\n"))
	column := bad - bytes.LastIndexByte(text[:bad], '\n')
	return &engine.ScriptError{File: a.Path, Line: line, Column: column, Message: fmt.Sprintf("the file holds byte 0x%02x, want UTF-8 text", text[bad])}
}

// firstNoText is the place of the first byte that no UTF-8 text holds, -1 = there is none.
func firstNoText(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == 0 || r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// line is a line of a file, "" where there is none, or where the file may be anything, such as one with secrets that a link leads to.
func (a *Admission) line(file string, n int) string {
	info, err := fs.Stat(a.Files, file)
	if n < 1 || err != nil || !info.Mode().IsRegular() || info.Size() > MaxSource {
		return ""
	}
	text, _ := fs.ReadFile(a.Files, file)
	for ; n > 1; n-- {
		_, after, found := bytes.Cut(text, []byte("\n"))
		if !found {
			return ""
		}
		text = after
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return string(bytes.TrimRight(line, "\r"))
}
