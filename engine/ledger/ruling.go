package ledger

import (
	"slices"

	"github.com/google/uuid"

	"sluice/engine"
)

const (
	// maxRulings bounds the rulings that a writer remembers, in bytes.
	maxRulings = 1 << 20
	// rulingSize is what one takes beside its lists, in bytes.
	rulingSize = 256
	// maxRuling is up to how long a text is remembered.
	maxRuling = 8 << 10
)

// rulings are what rows told last of each stage of a principal's requests. A decision that is remembered is in many rows, as the very same
// lists.
type rulings struct {
	at   map[stageOf]*ruling
	size int
}

type stageOf struct {
	principal string
	number    int
}

// ruling is how a row told of whom a stage kept and dropped. As with a mention, the same address is the same content.
type ruling struct {
	kept    []uuid.UUID
	dropped []engine.PerCandidateReason
	among   []*engine.Upstream // the candidates, whose names it tells
	text    []byte             // as members of a stage
}

// of finds the ruling of a stage, which is empty where there is none yet.
func (rs *rulings) of(at stageOf) *ruling {
	r := rs.at[at]
	if r == nil {
		if rs.at == nil || rs.size > maxRulings {
			rs.at, rs.size = make(map[stageOf]*ruling), 0
		}
		r = &ruling{}
		rs.at[at] = r
		rs.size += rulingSize
	}
	return r
}

// tells reports whether r's text is that of a decision among these candidates.
func (r *ruling) tells(s *engine.StageDecision, among []engine.UpstreamCandidate) bool {
	return len(r.text) > 0 && is(r.kept, s.Kept) && is(r.dropped, s.Dropped) &&
		slices.EqualFunc(r.among, among, func(u *engine.Upstream, c engine.UpstreamCandidate) bool { return u == c.Upstream })
}

// keep makes text r's, which is among rs.
func (rs *rulings) keep(r *ruling, s *engine.StageDecision, among []engine.UpstreamCandidate, text []byte) {
	if len(text) > maxRuling {
		return
	}
	rs.size += len(text) - len(r.text) + 8*(len(among)-len(r.among))
	r.kept, r.dropped, r.text, r.among = s.Kept, s.Dropped, append(r.text[:0], text...), r.among[:0]
	for i := range among {
		r.among = append(r.among, among[i].Upstream)
	}
}
