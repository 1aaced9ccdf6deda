package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const emptyHint = `the file is empty, want at least "upstreams" and "principals": the example sluice.yaml shows every key`

// document returns the root of the one YAML document in data, or nil after it has reported why there is none.
func (d *decoder) document(data []byte) *yaml.Node {
	if at := invalidUTF8(data); at >= 0 {
		line := bytes.Count(data[:at], []byte("\n")) + 1
		column := utf8.RuneCount(data[bytes.LastIndexByte(data[:at], '\n')+1:at]) + 1
		d.failAt(Pos{line, column}, "a byte that is not UTF-8, want a text file in UTF-8")
		return nil
	}
	in := &lineReader{data: data}
	dec := yaml.NewDecoder(in)
	var doc, second yaml.Node
	err := dec.Decode(&doc)
	if err == io.EOF || err == nil && (len(doc.Content) == 0 || isNull(doc.Content[0])) {
		d.failAt(Pos{1, 1}, emptyHint)
		return nil
	}
	if err == nil {
		err = dec.Decode(&second)
	}
	switch err {
	case io.EOF:
		return doc.Content[0]
	case nil:
		d.fail(&second, `a second document begins here, want one: remove the "---"`)
	default:
		d.syntaxError(data, in.read, err)
	}
	return nil
}

// lineReader hands out one line at a time, so that what was read when the parser gave up ends close to the error.
type lineReader struct {
	data []byte
	read int
}

func (r *lineReader) Read(p []byte) (int, error) {
	rest := r.data[r.read:]
	if len(rest) == 0 {
		return 0, io.EOF
	}
	if end := bytes.IndexByte(rest, '\n'); end >= 0 {
		rest = rest[:end+1]
	}
	n := copy(p, rest)
	r.read += n
	return n, nil
}

func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return -1
}

// syntaxError reports what the YAML parser could not read when it had read so many bytes. The parser gives no column, and as line
// often that of a block's beginning. So the error is placed right below the longest run of whole lines that can be read.
func (d *decoder) syntaxError(data []byte, read int, err error) {
	start := lineStart(data, read-1)
	for work := 0; start > 0 && !readable(data[:start]); start = lineStart(data, start-1) {
		if work += start; work > maxReread {
			start = namedLine(data, err)
			break
		}
	}
	number := bytes.Count(data[:start], []byte("\n")) + 1
	lines := strings.SplitN(strings.TrimPrefix(string(data), "\ufeff"), "\n", number+1)
	for n, line := range slices.Backward(lines[:number]) { // the parser takes all blanks but the tab for text, and stumbles below them
		if column, blank := strangeIndent(line); blank != 0 && (blank != '\t' || n+1 == number) {
			d.failAt(Pos{n + 1, column}, blankName(blank)+" in the indentation, want spaces")
			return
		}
	}
	line := lines[number-1]
	if column := openQuote(line); column > 0 {
		d.failAt(Pos{number, column}, "a quoted text that is not closed, want its closing quote")
		return
	}
	d.failAt(Pos{number, len(line) - len(strings.TrimLeft(line, " ")) + 1}, syntaxMessage(err))
}

// strangeIndent returns the first character before a line's text that looks like a space and is none, 0 if there is no such.
func strangeIndent(line string) (column int, blank rune) {
	indent := line[:len(line)-len(strings.TrimLeftFunc(line, isBlank))]
	column = utf8.RuneCountInString(indent[:len(indent)-len(strings.TrimLeft(indent, " "))]) + 1
	strange := strings.TrimLeft(indent, " ")
	if text := line[len(indent):]; strange == "" || text == "" || text[0] == '#' {
		return 0, 0
	}
	blank, _ = utf8.DecodeRuneInString(strange)
	return column, blank
}

// isBlank reports whether nothing is to be seen of r.
func isBlank(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }

func blankName(r rune) string {
	switch r {
	case '\t':
		return "a tab"
	case '\u00a0':
		return "a no-break space (U+00A0)"
	}
	return fmt.Sprintf("the invisible character %U", r)
}

// openQuote is the column of the quote that begins a text on a line and does not end it there, 0 if there is none.
func openQuote(line string) int {
	const behind = " \t,:-[{" // what a text in quotes may follow
	open, column, at := rune(0), 0, 0
	before, escaped := ' ', false
	for _, r := range line {
		column++
		switch {
		case escaped:
			escaped = false
		case open == '"' && r == '\\':
			escaped = true
		case open != 0 && r == open:
			open = 0
		case open == 0 && r == '#' && before == ' ':
			return 0
		case open == 0 && (r == '"' || r == '\'') && strings.ContainsRune(behind, before):
			open, at = r, column
		}
		before = r
	}
	if open == 0 {
		return 0
	}
	return at
}

// maxReread bounds the search for the place of a syntax error, in bytes parsed again: some tens of milliseconds.
const maxReread = 1 << 20

// lineStart is where the line of the byte at begins.
func lineStart(data []byte, at int) int { return bytes.LastIndexByte(data[:max(at, 0)], '\n') + 1 }

// namedLine is where the line begins that the parser's error names, 0 if it names none.
func namedLine(data []byte, err error) (start int) {
	var number int
	if m := yamlPrefix.FindStringSubmatch(err.Error()); m != nil {
		number, _ = strconv.Atoi(m[1])
	}
	for ; number > 1; number-- {
		start += bytes.IndexByte(data[start:], '\n') + 1
	}
	return start
}

func readable(data []byte) bool {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		if err := dec.Decode(&n); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

var yamlPrefix = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntaxMessages say what the YAML parser's words mean for the one who writes the file.
var syntaxMessages = []struct{ has, say string }{
	{"did not find expected '-' indicator", `wrong indentation, want "- " and the next item, or the indentation of the lines above`},
	{"block sequence entries are not allowed", `a "-" item cannot stand here, want each on a line of its own below the key`},
	{"mapping values are not allowed", `a ":" cannot stand here, want one "key: value" a line at the indentation of its neighbours,` +
		` a space after each ":", and quotes around text that holds ": "`},
	{"did not find expected key", `want "key: value" at the indentation of its neighbours, nothing after a closing quote or bracket`},
	{"could not find expected ':'", `want "key: value"`},
	{"did not find expected ',' or '}'", `a {...} is not closed here, want "," or "}", and quotes around text with a brace: "${VAR}"`},
	{"did not find expected ',' or ']'", `a [...] is not closed here, want "," or "]", and quotes around text with a bracket or brace`},
	{"found unexpected end of stream", "a quoted text that is not closed, want its closing quote"},
	{"found unknown escape character", `an unknown "\" escape in double quotes, want "\\" or single quotes`},
	{"did not find expected alphabetic", `text that begins with "*" or "&", want it in quotes`},
	{"unknown anchor", `text that begins with "*", want it in quotes`},
	{"did not find expected node content", "want a value, in quotes if it begins with a special character"},
	{"found character that cannot start", "text that begins with a special character, want it in quotes"},
	{"control characters are not allowed", "a control character, want a text file"},
}

func syntaxMessage(err error) string {
	text := yamlPrefix.ReplaceAllString(err.Error(), "")
	for _, m := range syntaxMessages {
		if strings.HasPrefix(text, m.has) {
			return m.say
		}
	}
	return fmt.Sprintf("not YAML: %s", text)
}
