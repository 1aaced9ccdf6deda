package starlark

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	sky "go.starlark.net/starlark"
)

// textTolls are those of the methods of texts. A receiver that is no text pays nothing.
var textTolls = map[string]methodToll{
	"capitalize":     ofText(copyToll),
	"codepoint_ords": elemsToll,
	"codepoints":     elemsToll,
	"count":          ofText(countToll),
	"elem_ords":      elemsToll,
	"elems":          elemsToll,
	"endswith":       ofText(affixToll),
	"find":           ofText(scanToll),
	"index":          ofText(scanToll),
	"isalnum":        ofText(runeToll),
	"isalpha":        ofText(runeToll),
	"isdigit":        ofText(runeToll),
	"islower":        ofText(runeToll),
	"isspace":        ofText(runeToll),
	"istitle":        ofText(runeToll),
	"isupper":        ofText(runeToll),
	"join":           ofText(joinToll),
	"lower":          ofText(copyToll),
	"lstrip":         ofText(stripToll),
	"partition":      ofText(scanToll),
	"replace":        ofText(replaceToll),
	"rfind":          ofText(backToll),
	"rindex":         ofText(backToll),
	"rpartition":     ofText(backToll),
	"rsplit":         ofText(rsplitToll),
	"rstrip":         ofText(stripToll),
	"split":          ofText(splitToll),
	"splitlines":     ofText(linesToll),
	"startswith":     ofText(affixToll),
	"strip":          ofText(stripToll),
	"title":          ofText(copyToll),
	"upper":          ofText(copyToll),
}

// onText is the toll of a method of a text.
type onText func(r *runner, s string, args sky.Tuple) error

func ofText(t onText) methodToll {
	return func(r *runner, on sky.Value, args sky.Tuple, _ []sky.Tuple) error {
		s, ok := on.(sky.String)
		if !ok {
			return nil
		}
		return t(r, string(s), args)
	}
}

// maxElems bounds a text that is walked over by element, in bytes.
const maxElems = 1 << 20

func elemsToll(_ *runner, on sky.Value, _ sky.Tuple, _ []sky.Tuple) error {
	if n := sky.Len(on); n > maxElems {
		return fmt.Errorf("the elements of a text of %d bytes, want at most %d", n, maxElems)
	}
	return nil
}

func scanToll(r *runner, s string, _ sky.Tuple) error { return r.spend(int64(len(s)) / 64) }

// backToll pays for a search from the end, which takes each byte by itself.
func backToll(r *runner, s string, _ sky.Tuple) error { return r.spend(int64(len(s)) / 16) }

func countToll(r *runner, s string, args sky.Tuple) error {
	if err := scanToll(r, s, args); err != nil || len(args) == 0 {
		return err
	}
	wanted, ok := args[0].(sky.String)
	if !ok {
		return nil
	}
	_, err := r.occurrences(s, string(wanted))
	return err
}

// occurrences is how often a text holds another. In a long one it pays for each.
func (r *runner) occurrences(s, wanted string) (n int, err error) {
	switch {
	case len(s) <= longText, len(wanted) == 1: // a byte is counted many at once
		return strings.Count(s, wanted), nil
	case wanted == "":
		return r.codePoints(s)
	}
	for at := strings.Index(s, wanted); at >= 0; at = strings.Index(s, wanted) {
		s = s[at+len(wanted):]
		if n++; n%lookEvery == 0 {
			if err := r.spend(lookEvery); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

// codePoints is how many code points a text has, and one more. It pays for each.
func (r *runner) codePoints(s string) (int, error) {
	n := 1
	for s != "" {
		end := pieceEnd(s)
		if err := r.spend(int64(end) / 2); err != nil {
			return 0, err
		}
		n += utf8.RuneCountInString(s[:end])
		s = s[end:]
	}
	return n, nil
}

func runeToll(r *runner, s string, _ sky.Tuple) error {
	if len(s) > maxElems {
		return fmt.Errorf("the characters of a text of %d bytes, want at most %d", len(s), maxElems)
	}
	return r.spend(int64(len(s)) / 2)
}

func copyToll(r *runner, s string, _ sky.Tuple) error { return r.copyText(len(s), 1) }

// copyText pays for making a text of n bytes of another one piece by piece, with so many bytes for each.
func (r *runner) copyText(n int, bytes int64) error {
	if err := r.spend(int64(n) / 2); err != nil {
		return err
	}
	return r.makeText(int64(n), bytes*int64(n)+slotBytes)
}

// stripToll pays for looking for each byte at the ends among those to cut.
func stripToll(r *runner, s string, args sky.Tuple) error {
	among := 1
	if len(args) > 0 {
		if cutset, ok := args[0].(sky.String); ok {
			among += len(cutset)
			if strings.ContainsFunc(string(cutset), func(c rune) bool { return c >= utf8.RuneSelf }) {
				among *= 2
			}
		}
	}
	return r.spend(int64(len(s)) * int64(among) / 32)
}

func affixToll(_ *runner, _ string, args sky.Tuple) error {
	if len(args) == 0 {
		return nil
	}
	return affixes(args[0])
}

// affixes looks at what a text may begin or end with: one text, or a tuple of which each is tried.
func affixes(v sky.Value) error {
	t, ok := v.(sky.Tuple)
	if !ok {
		return nil
	}
	total := visits(0)
	for _, e := range t {
		total += weightOf(e)
	}
	if total > freeVisits {
		return fmt.Errorf("a tuple of %d texts takes too long to try", len(t))
	}
	return nil
}

// joinToll pays for the joined text.
func joinToll(r *runner, sep string, args sky.Tuple) error {
	if len(args) == 0 {
		return nil
	}
	n, err := r.count(args[0])
	if n = max(0, n); err == nil {
		err = r.work(n, 0)
	}
	if err != nil {
		return err
	}
	size := int64(n)*int64(len(sep)) + slotBytes
	each(args[0], func(e sky.Value) bool {
		if e, ok := e.(sky.String); ok {
			size += int64(len(e))
		}
		return true
	})
	return r.makeText(size, 2*size)
}

func replaceToll(r *runner, s string, args sky.Tuple) error {
	if err := r.spend(int64(len(s)) / 16); err != nil || len(args) < 2 {
		return err
	}
	from, ok := args[0].(sky.String)
	to, ok2 := args[1].(sky.String)
	if !ok || !ok2 {
		return nil
	}
	times, err := r.occurrences(s, string(from))
	if err != nil || times == 0 {
		return err
	}
	if len(args) > 2 {
		if most, err := sky.AsInt32(args[2]); err == nil && most >= 0 {
			times = min(times, most)
		}
	}
	size := int64(len(s)) + int64(times)*int64(len(to)-min(len(to), len(from)))
	return r.makeText(size, size+slotBytes)
}

// splitToll pays for split.
func splitToll(r *runner, s string, args sky.Tuple) error {
	parts, err := r.parts(s, args)
	if err != nil {
		return err
	}
	if most, ok := mostSplits(args); ok {
		parts = min(parts, most+1)
	}
	return r.split(parts)
}

// rsplitToll pays for rsplit: the interpreter makes all parts and joins those that are too many, or room for as many as it is asked for.
func rsplitToll(r *runner, s string, args sky.Tuple) error {
	parts, err := r.parts(s, args)
	if err != nil {
		return err
	}
	if most, ok := mostSplits(args); ok && args[0] == sky.None {
		parts = most + 1
	}
	return r.split(parts)
}

// linesToll pays for splitlines.
func linesToll(r *runner, s string, _ sky.Tuple) error {
	parts, err := r.parts(s, sky.Tuple{sky.String("\n")})
	if err != nil {
		return err
	}
	return r.split(parts)
}

// split pays for a list of parts, each of which is a text of its own.
func (r *runner) split(parts int) error { return r.work(parts, 4*slotBytes) }

// parts is how many parts a text has at most. It pays for the search, for words at each character, since any may be a space.
func (r *runner) parts(s string, args sky.Tuple) (int, error) {
	if len(args) == 0 || args[0] == sky.None {
		err := r.spend(int64(len(s)) / 4)
		return 1 + strings.Count(s, " ") + strings.Count(s, "\n") + strings.Count(s, "\r") + strings.Count(s, "\t"), err
	}
	if err := r.spend(int64(len(s)) / 16); err != nil {
		return 0, err
	}
	sep, ok := args[0].(sky.String)
	if !ok || sep == "" {
		return 1, nil
	}
	n, err := r.occurrences(s, string(sep))
	return n + 1, err
}

// mostSplits is how often a text is to be split at most; false = as often as it can be.
func mostSplits(args sky.Tuple) (int, bool) {
	if len(args) < 2 {
		return 0, false
	}
	n, ok := args[1].(sky.Int)
	if !ok {
		return 0, false
	}
	most, ok := n.Int64()
	return int(min(most, math.MaxInt32)), ok && most >= 0
}

// formatText is the method format of a text, of which any argument may stand for each brace.
func formatText(r *runner, on sky.Value, args sky.Tuple, kwargs []sky.Tuple) (sky.Value, bool, error) {
	format, ok := on.(sky.String)
	if !ok {
		return nil, false, nil
	}
	size, err := r.fieldsSize(string(format), args, kwargs)
	if err != nil || size <= longWritten {
		return nil, err != nil, err
	}
	return r.formatFields(string(format), size, args, kwargs)
}

// fieldsSize pays for a formatted text and returns about how many bytes it has.
func (r *runner) fieldsSize(s string, args sky.Tuple, kwargs []sky.Tuple) (int64, error) {
	if err := r.payDirectives(s, "{", "}"); err != nil {
		return 0, err
	}
	values := args
	for _, pair := range kwargs {
		values = append(values, pair[1])
	}
	longest, size, sizes := int64(0), int64(len(s))+slotBytes, make([]int64, len(values))
	quoted := strings.Contains(s, "!r")
	for i, v := range values {
		n, err := r.textSize(v, quoted)
		if err == nil {
			err = r.fits(size + n)
		}
		if err != nil {
			return 0, err
		}
		longest, size, sizes[i] = max(longest, n), size+n, n
	}
	if namesFields(s) {
		size = int64(len(s)) + slotBytes + takes(s, "{", "}!:", byName(sizes, kwargs), longest)
	}
	most := longest*int64(strings.Count(s, "{")) + int64(len(s))
	size = min(size, most)
	if err := r.allocateText(size, most); err != nil || !quoted {
		return size, err
	}
	return size, r.spend(most / 2) // one argument may be quoted for each brace
}

// byName are the sizes of arguments, of which the last ones have names, by what a format calls them.
func byName(sizes []int64, kwargs []sky.Tuple) map[string]int64 {
	named := make(map[string]int64, len(sizes))
	unnamed := len(sizes) - len(kwargs)
	for i, n := range sizes[:unnamed] {
		named[strconv.Itoa(i)] = n
	}
	for i, pair := range kwargs {
		named[string(pair[0].(sky.String))] = sizes[unnamed+i]
	}
	return named
}

// namesFields reports whether a format says which argument stands in a field. One that does not takes each once.
func namesFields(format string) bool {
	for at := range len(format) - 1 {
		if format[at] == '{' && strings.IndexByte("{}!:", format[at+1]) < 0 {
			return true
		}
	}
	return false
}

// longName is how many bytes of a name are looked at. One that is longer, or unknown, counts as that of the longest value.
const longName = 256

// takes is how many bytes the values take that a format names, each as often as it is named: between open and one of the ends. What opens
// within a name is a part of it, and two braces are one that is written.
func takes(format, open, ends string, sizes map[string]int64, longest int64) (sum int64) {
	for {
		_, rest, found := strings.Cut(format, open)
		if !found {
			return sum
		}
		if open == "{" && strings.HasPrefix(rest, open) {
			format = rest[1:]
			continue
		}
		end, n := min(len(rest), longName), longest
		if i := strings.IndexAny(rest[:end], ends); i >= 0 {
			end = i
			if size, known := sizes[rest[:i]]; known {
				n = size
			}
		}
		sum, format = sum+n, rest[end:]
	}
}

// payDirectives pays for what stands in a long format by itself, at each of some marks.
func (r *runner) payDirectives(format string, marks ...string) error {
	if len(format) <= longFormat {
		return nil
	}
	n := 0
	for _, mark := range marks {
		n += strings.Count(format, mark)
	}
	return r.spend(int64(n))
}

// longFormat is how many bytes of a format take no time to speak of.
const longFormat = 4 << 10

// mappingCost is that of format % mapping.
func (r *runner) mappingCost(format string, size int64, m sky.IterableMapping) (int64, error) {
	if err := r.work(max(0, sky.Len(m)), 8*slotBytes); err != nil {
		return 0, err
	}
	longest, sizes, quoted := int64(0), make(map[string]int64), strings.Contains(format, ")r")
	for _, item := range m.Items() {
		n, err := r.textSize(item[1], quoted)
		if err != nil {
			return 0, err
		}
		longest = max(longest, n)
		if name, ok := item[0].(sky.String); ok {
			sizes[string(name)] = n
		}
	}
	sum := size + takes(format, "%(", ")", sizes, longest)
	most := size + longest*int64(strings.Count(format, "%"))
	if err := r.fits(most); err != nil {
		return 0, err
	}
	if quoted {
		return min(sum, most), r.spend(most / 2)
	}
	return min(sum, most), nil
}

// allocateText charges a text of a likely size that has to fit into memory at its most. It is put together piece by piece, and copied as it
// grows.
func (r *runner) allocateText(likely, most int64) error {
	if err := r.fits(most); err != nil {
		return err
	}
	return r.makeText(likely, 2*likely)
}
