package runtimes

import (
	"bytes"
	"io"
	"io/fs"
	"strings"
	"time"
)

// section is a file of a txtar archive: "-- NAME --" on a line of its own, then the text.
type section struct{ name, text string }

// readArchive splits an archive. What stands before the first section is a comment.
func readArchive(src []byte) []section {
	var sections []section
	for line := range bytes.Lines(src) {
		if name, ok := sectionName(string(line)); ok {
			sections = append(sections, section{name: name})
			continue
		}
		if len(sections) > 0 {
			sections[len(sections)-1].text += string(line)
		}
	}
	return sections
}

func sectionName(line string) (string, bool) {
	line = strings.TrimRight(line, "\r\n")
	if len(line) < len("-- x --") || !strings.HasPrefix(line, "-- ") || !strings.HasSuffix(line, " --") {
		return "", false
	}
	name := strings.TrimSpace(line[3 : len(line)-3])
	return name, name != ""
}

// textFiles is a file system of texts by slash path. It lists no directories.
type textFiles map[string]string

// Open opens a file.
func (f textFiles) Open(name string) (fs.File, error) {
	text, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &textFile{name: name, Reader: strings.NewReader(text)}, nil
}

// textFile is an open text, and says of itself what Stat asks.
type textFile struct {
	name string
	*strings.Reader
}

var (
	_ fs.FileInfo = (*textFile)(nil)
	_ io.Reader   = (*textFile)(nil)
)

func (f *textFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *textFile) Close() error               { return nil }
func (f *textFile) Name() string               { return f.name[strings.LastIndexByte(f.name, '/')+1:] }
func (f *textFile) Size() int64                { return f.Reader.Size() }
func (f *textFile) Mode() fs.FileMode          { return 0o444 }
func (f *textFile) ModTime() time.Time         { return time.Time{} }
func (f *textFile) IsDir() bool                { return false }
func (f *textFile) Sys() any                   { return nil }
