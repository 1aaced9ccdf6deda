package ledger

import (
	"bytes"
	"time"

	"sluice/engine"
)

// What a start needs of the rows is little of them, and of most rows nothing. So these are looked for in a line before any of it is read. No
// text in a row looks like them, since its quotes are escaped.
var (
	principalKey = []byte(`,"principal":"`)
	upstreamKey  = []byte(`{"upstream":"`)
	coolingKey   = []byte(`"cooling":{`)
	softCooling  = []byte(`"soft":true`)
)

// Past calls f as Scan does, for the rows of these principals, which tell what was spent and when, and for those that tell for the first
// time of a cool-down that an upstream insists on, which are whole. Others may come as well.
func (b *Book) Past(since time.Time, principals map[string]bool, f func(*engine.Record)) error {
	words, told := vocabulary{}, make(news)
	all := func(r *engine.Record) bool { f(r); return true }
	return b.scan(since, all, func(line []byte) *engine.Record {
		switch {
		case told.in(line):
			r := b.parse(line, words)
			if r == nil { // nobody was told
				clear(told)
			}
			return r
		case len(principals) > 0 && isOf(line, principals):
			return b.counted(parseSpent(line, words))
		}
		return nil
	})
}

// isOf reports whether a line is of one of the principals. One whose name had to be escaped may be.
func isOf(line []byte, principals map[string]bool) bool {
	_, rest, found := bytes.Cut(line, principalKey)
	name, _, _ := bytes.Cut(rest, []byte{'"'})
	return found && (principals[string(name)] || bytes.IndexByte(name, '\\') >= 0)
}

// news is the cool-downs that were told, each as its text behind its upstream's name: while an account rests, every row says so.
type news map[string]bool

// in reports whether a line tells of one more.
func (n news) in(line []byte) (found bool) {
	for at := 0; ; {
		i := bytes.Index(line[at:], coolingKey)
		if i < 0 {
			return found
		}
		from := at + i + len(coolingKey) - len("{")
		p := parser{b: line, i: from}
		p.skip()
		what := line[from:p.i]
		if text := whose(line[:from]) + string(what); !n[text] && !bytes.Contains(what, softCooling) {
			if len(n) >= maxWords {
				clear(n)
			}
			n[text], found = true, true
		}
		at = p.i
	}
}

// whose is the upstream that the end of a part of a line is about. A damaged line may have none.
func whose(part []byte) string {
	i := bytes.LastIndex(part, upstreamKey)
	if i < 0 {
		return ""
	}
	name, _, _ := bytes.Cut(part[i+len(upstreamKey):], []byte{'"'})
	return string(name)
}
