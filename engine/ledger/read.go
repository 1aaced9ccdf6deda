package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"hash/crc32"
	"strconv"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
)

var errRow = errors.New("not a whole row")

// sealed reports whether a line, with its line feed, is as it was when it was sealed.
func sealed(line []byte) bool {
	at := len(line) - sealLen
	if at < 0 || string(line[at:at+len(sealHead)]) != sealHead || string(line[len(line)-3:]) != "\"}\n" {
		return false
	}
	sum, err := strconv.ParseUint(string(line[at+len(sealHead):len(line)-3]), 16, 32)
	return err == nil && uint32(sum) == crc32.Checksum(line[:at], castagnoli)
}

// vocabulary holds texts that many rows share, so that a reader of many rows has each once. Nil holds none.
type vocabulary map[string]string

// maxWords bounds a vocabulary.
const maxWords = 4096

func (v vocabulary) word(text []byte) string {
	w, known := v[string(text)]
	if known {
		return w
	}
	w = string(text)
	if v != nil && len(v) < maxWords {
		v[w] = w
	}
	return w
}

// parseRow reads one line, which has its line feed. Fields that it does not know are skipped.
func parseRow(line []byte, words vocabulary) (*engine.Record, error) {
	return parseWith(line, words, func(p *parser, key []byte, r *engine.Record) bool {
		return p.request(key, r) || p.outcome(key, r) || p.trace(key, &r.Trace)
	})
}

// parseSpent reads of a line who spent what, and when.
func parseSpent(line []byte, words vocabulary) (*engine.Record, error) {
	return parseWith(line, words, func(p *parser, key []byte, r *engine.Record) bool {
		switch string(key) {
		case "request_id", "started", "principal", "key_id":
			return p.request(key, r)
		case "candidates": // the trace, which is the last of a row and most of it
			p.over = true
			return true
		}
		return p.outcome(key, r)
	})
}

// parseWith reads a line with what reads a member, or reports false.
func parseWith(line []byte, words vocabulary, member func(*parser, []byte, *engine.Record) bool) (*engine.Record, error) {
	if !sealed(line) {
		return nil, errRow
	}
	r := &engine.Record{}
	p := parser{b: line, words: words}
	p.object(func(key []byte) {
		if !member(&p, key, r) {
			p.skip()
		}
	})
	if p.bad {
		return nil, errRow
	}
	return r, nil
}

// parser reads JSON as appendRow writes it, and whatever else is JSON without white space. Once bad it reads nothing more.
type parser struct {
	b     []byte
	i     int
	bad   bool
	over  bool // no more is to be read
	words vocabulary
}

func (p *parser) fail() { p.i, p.bad = len(p.b), true }

func (p *parser) peek() byte {
	if p.i < len(p.b) {
		return p.b[p.i]
	}
	return 0
}

func (p *parser) take(c byte) {
	if p.peek() != c {
		p.fail()
		return
	}
	p.i++
}

// group reads what stands between two brackets, item by item.
func (p *parser) group(open, end byte, item func()) {
	p.take(open)
	if p.peek() == end {
		p.i++
		return
	}
	for !p.bad {
		item()
		if p.over {
			return
		}
		if p.peek() == end {
			p.i++
			return
		}
		p.take(',')
	}
}

// object calls member for each key, whose value it must read. The key is valid until then.
func (p *parser) object(member func(key []byte)) {
	p.group('{', '}', func() {
		key := p.raw()
		p.take(':')
		if !p.bad {
			member(key)
		}
	})
}

func (p *parser) list(item func()) { p.group('[', ']', item) }

// raw reads a string and returns what stands between its quotes, as it stands there.
func (p *parser) raw() []byte {
	p.take('"')
	start := p.i
	for p.i < len(p.b) {
		switch p.b[p.i] {
		case '"':
			p.i++
			return p.b[start : p.i-1]
		case '\\':
			p.i++
		}
		p.i++
	}
	p.fail()
	return nil
}

func (p *parser) text() string {
	start := p.i
	raw := p.raw()
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	var s string
	if json.Unmarshal(p.b[start:p.i], &s) != nil {
		p.fail()
	}
	return s
}

// word is text that other rows are likely to hold too.
func (p *parser) word() string {
	start := p.i
	raw := p.raw()
	if bytes.IndexByte(raw, '\\') < 0 {
		return p.words.word(raw)
	}
	p.i = min(start, p.i)
	return p.text()
}

// literal reads a number or a word.
func (p *parser) literal() []byte {
	start := p.i
	for c := p.peek(); c != 0 && c != ',' && c != '}' && c != ']' && c != '\n'; c = p.peek() {
		p.i++
	}
	if p.i == start {
		p.fail()
	}
	return p.b[start:p.i]
}

func (p *parser) number() int64 {
	n, err := strconv.ParseInt(string(p.literal()), 10, 64)
	if err != nil {
		p.fail()
	}
	return n
}

func (p *parser) float() float64 {
	f, err := strconv.ParseFloat(string(p.literal()), 64)
	if err != nil {
		p.fail()
	}
	return f
}

func (p *parser) flag() bool { return string(p.literal()) == "true" }

func (p *parser) duration() time.Duration { return time.Duration(p.number()) }

func (p *parser) millis() time.Time { return time.UnixMilli(p.number()).UTC() }

func (p *parser) time() time.Time {
	t, err := time.Parse(time.RFC3339Nano, string(p.raw()))
	if err != nil {
		p.fail()
	}
	return t
}

func (p *parser) skip() {
	switch p.peek() {
	case '"':
		p.raw()
	case '{':
		p.object(func([]byte) { p.skip() })
	case '[':
		p.list(p.skip)
	default:
		p.literal()
	}
}

func (p *parser) request(key []byte, r *engine.Record) bool {
	switch string(key) {
	case "request_id":
		r.RequestID = p.text()
	case "client_request_id":
		r.ClientRequestID = p.text()
	case "upstream_request_id":
		r.UpstreamReqID = p.text()
	case "session_id":
		r.SessionID = p.text()
	case "started":
		r.Started = p.time()
	case "principal":
		r.Principal = p.word()
	case "key_id":
		r.KeyID = p.word()
	case "upstream":
		r.Upstream = p.word()
	case "method":
		r.Method = p.word()
	case "path":
		r.Path = p.word()
	case "query":
		r.Inputs.Query = p.text()
	case "model":
		r.Model = p.word()
	case "answered_model":
		r.Answered = p.word()
	case "stream":
		r.Stream = p.flag()
	case "max_tokens":
		r.Inputs.MaxTokens = p.number()
	case "service_tier":
		r.Inputs.ServiceTier = p.word()
	case "headers":
		p.list(func() { r.Inputs.Headers = append(r.Inputs.Headers, p.header()) })
	default:
		return false
	}
	return true
}

func (p *parser) header() (h engine.Header) {
	p.object(func(key []byte) {
		switch string(key) {
		case "name":
			h.Name = p.word()
		case "value":
			h.Value = p.word()
		default:
			p.skip()
		}
	})
	return h
}

func (p *parser) outcome(key []byte, r *engine.Record) bool {
	switch string(key) {
	case "status":
		r.Status = int(p.number())
	case "code":
		r.Code = engine.Code(p.word())
	case "usage":
		r.Usage = p.usage()
	case "cost_micro_usd":
		r.CostMicroUSD = p.number()
	case "counts": // stands behind what was told, which holds where nothing else is written
		r.Booked = engine.Booked{Counts: p.flag(), Usage: r.Usage, CostMicroUSD: r.CostMicroUSD}
	case "own_limits":
		r.Booked.Own = p.word()
	case "booked_usage":
		r.Booked.Usage = p.usage()
	case "booked_micro_usd":
		r.Booked.CostMicroUSD = p.number()
	case "arms":
		r.Arms = p.word()
	case "bytes_in":
		r.BytesIn = p.number()
	case "bytes_out":
		r.BytesOut = p.number()
	case "body_ns":
		r.Timings.Body = p.duration()
	case "decide_ns":
		r.Timings.Decide = p.duration()
	case "ttfb_ns":
		r.Timings.TTFB = p.duration()
	case "duration_ns":
		r.Timings.Duration = p.duration()
	case "generation":
		r.Generation = uint64(p.number())
	case "dialect":
		r.Dialect = p.word()
	default:
		return false
	}
	return true
}

func (p *parser) usage() engine.Usage {
	u := engine.Usage{Known: true}
	p.object(func(key []byte) {
		switch string(key) {
		case "input_tokens":
			u.InputTokens = p.number()
		case "output_tokens":
			u.OutputTokens = p.number()
		case "cache_creation_input_tokens":
			u.CacheCreationInputTokens = p.number()
		case "cache_creation_1h_input_tokens":
			u.CacheCreation1hTokens = p.number()
		case "cache_read_input_tokens":
			u.CacheReadInputTokens = p.number()
		default:
			p.skip()
		}
	})
	return u
}

// upstream reads the name of a candidate, or an id where the row has no candidate of it.
func (p *parser) upstream(t *engine.RoutingTrace) uuid.UUID {
	name := p.text()
	for i := range t.Candidates {
		if t.Candidates[i].Name == name {
			return t.Candidates[i].ID
		}
	}
	id, err := uuid.Parse(name)
	if err != nil {
		p.fail()
	}
	return id
}
