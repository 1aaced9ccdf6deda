package ledger

import (
	"time"

	"github.com/google/uuid"

	"sluice/engine"
)

// maxMentions bounds the upstreams that a writer remembers.
const maxMentions = 4096

// mentions are how the rows before told of upstreams, so that what is still the same is not encoded again. Only the writer uses them.
type mentions struct {
	byID   map[uuid.UUID]*mention
	latest []*mention // by position in a row: where the next one most likely has the same upstream

	rulings rulings
	second  second
}

// mention is how an upstream was told of last. What it was made of is never written once it is published, and stays in memory as long as
// the mention: the same address is the same content.
type mention struct {
	upstream *engine.Upstream
	derived  bool // its id follows from its name, so that a row need not tell it

	vitals *engine.Vitals
	text   []byte // as a candidate with these vitals; empty = there was none yet

	rates  []engine.RateLimit
	quotas []engine.Quota
	limits []byte // as members of a candidate with these
}

// second is the one that a row told last. Most rows begin in the same one as the row before.
type second struct {
	unix int64
	text []byte // empty = there was none yet
}

// of tells the second of a moment in UTC, without its zone.
func (s *second) of(v time.Time) []byte {
	if unix := v.Unix(); unix != s.unix || len(s.text) == 0 {
		s.unix, s.text = unix, v.UTC().AppendFormat(s.text[:0], "2006-01-02T15:04:05")
	}
	return s.text
}

func newMentions() *mentions { return &mentions{byID: make(map[uuid.UUID]*mention)} }

// of finds the mention of an upstream at a position of a row, whose positions come in order.
func (ms *mentions) of(at int, u *engine.Upstream) *mention {
	if at < len(ms.latest) && ms.latest[at].upstream == u {
		return ms.latest[at]
	}
	m := ms.byID[u.ID]
	if m == nil {
		if len(ms.byID) >= maxMentions {
			clear(ms.byID)
		}
		m = &mention{}
		ms.byID[u.ID] = m
	}
	m.become(u)
	if at == len(ms.latest) {
		ms.latest = append(ms.latest, nil)
	}
	ms.latest[at] = m
	return m
}

// become makes m that of an upstream, which may be the same one in a later config.
func (m *mention) become(u *engine.Upstream) {
	switch {
	case m.upstream == u:
		return
	case m.upstream == nil || m.upstream.Name != u.Name:
		m.derived = engine.UpstreamID(u.Name) == u.ID
	}
	m.upstream, m.text = u, m.text[:0]
}

// is reports whether two lists are one.
func is[E any](a, b []E) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }
