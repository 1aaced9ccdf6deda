package affinity_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/engine/affinity"
)

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// pool is candidates with these weights.
func pool(weights ...int) []engine.UpstreamCandidate {
	out := make([]engine.UpstreamCandidate, len(weights))
	for i, w := range weights {
		out[i] = engine.UpstreamCandidate{Upstream: &engine.Upstream{ID: uuid.UUID{byte(i + 1)}, Weight: w}, Vitals: &engine.Vitals{}}
	}
	return out
}

func session(principal, id string, after time.Duration) *engine.Exchange {
	return &engine.Exchange{Principal: &engine.Principal{ID: principal},
		Request: &engine.RequestContext{SessionID: id, RequestID: "r", Now: start.Add(after)}}
}

// homes is where n sessions are placed.
func homes(s engine.Strategy, kept []engine.UpstreamCandidate, n int, after time.Duration) map[int]uuid.UUID {
	out := make(map[int]uuid.UUID, n)
	for i := range n {
		out[i] = kept[s.Pick(session("alice", fmt.Sprint(i), after), kept)].ID
	}
	return out
}

func count(m map[int]uuid.UUID, id byte) (n int) {
	for _, at := range m {
		if at[0] == id {
			n++
		}
	}
	return n
}

func TestASessionStaysWhereItIs(t *testing.T) {
	s := affinity.NewHomes().Strategy(affinity.Share, time.Hour)
	all := pool(1, 1, 1)
	before := homes(s, all, 1000, 0)
	for id := byte(1); id <= 3; id++ {
		if n := count(before, id); n < 250 || n > 420 {
			t.Errorf("upstream %d has %d of 1000 sessions, want about a third", id, n)
		}
	}
	// One upstream cannot serve for a while: its sessions are spread over the others, all others stay.
	without := homes(s, []engine.UpstreamCandidate{all[0], all[2]}, 1000, time.Minute)
	spread := 0
	for i, at := range before {
		if at[0] != 2 && without[i] != at {
			t.Fatalf("session %d moved from %d to %d", i, at[0], without[i][0])
		}
		if at[0] == 2 && without[i][0] == 1 {
			spread++
		}
	}
	if spread < count(before, 2)/4 || spread > count(before, 2)*3/4 {
		t.Errorf("%d of %d sessions spilled to one of the two others", spread, count(before, 2))
	}
	// It is back, and one more is there: everyone is at home.
	for i, at := range homes(s, pool(1, 1, 1, 1), 1000, 2*time.Minute) {
		if before[i] != at {
			t.Fatalf("session %d did not come home", i)
		}
	}
}

func TestANewUpstreamTakesItsShareOfNewConversations(t *testing.T) {
	s := affinity.NewHomes().Strategy(affinity.Share, time.Hour)
	before := homes(s, pool(1, 1, 1), 2000, 0)
	moved := 0
	for i, at := range homes(s, pool(1, 1, 1, 1), 2000, 2*time.Hour) { // long enough for all to be forgotten
		if before[i] != at {
			moved++
			if at[0] != 4 {
				t.Fatalf("session %d moved from %d to %d", i, before[i][0], at[0])
			}
		}
	}
	if moved < 400 || moved > 600 {
		t.Errorf("%d of 2000 moved, want about a quarter", moved)
	}
}

func TestWeightsAreShares(t *testing.T) {
	got := homes(affinity.NewHomes().Strategy(affinity.Share, time.Hour), pool(3, 1, 0), 4000, 0)
	if n := count(got, 1); n < 2850 || n > 3150 {
		t.Errorf("weight 3 of 4 has %d of 4000", n)
	}
	if n := count(got, 3); n != 0 {
		t.Errorf("weight 0 has %d", n)
	}
	if n := count(homes(affinity.NewHomes().Strategy(affinity.Share, time.Hour), pool(0, 0), 1000, 0), 1); n < 400 || n > 600 {
		t.Errorf("of two without weight one has %d of 1000", n)
	}
}

func TestSubagentsShareOrSplit(t *testing.T) {
	f := func(how affinity.Subagents, least, most int) {
		t.Helper()
		s := affinity.NewHomes().Strategy(how, time.Hour)
		all := pool(1, 1, 1, 1, 1, 1, 1, 1)
		home := s.Pick(session("alice", "s", 0), all)
		away := 0
		for i := range 64 {
			x := session("alice", "s", 0)
			x.Request.Headers.Add("X-Claude-Code-Agent-Id", fmt.Sprint(i))
			if s.Pick(x, all) != home {
				away++
			}
		}
		if away < least || away > most {
			t.Errorf("%s: %d of 64 subagents are elsewhere", how, away)
		}
	}
	f(affinity.Share, 0, 0)
	f(affinity.Split, 48, 64)
}

func TestASessionBelongsToItsPrincipal(t *testing.T) {
	s := affinity.NewHomes().Strategy(affinity.Share, time.Hour)
	all := pool(1, 1, 1, 1, 1, 1, 1, 1)
	same := 0
	for i := range 64 {
		if s.Pick(session("alice", fmt.Sprint(i), 0), all) == s.Pick(session("bob", fmt.Sprint(i), 0), all) {
			same++
		}
	}
	if same > 24 {
		t.Errorf("%d of 64 sessions of two principals with the same ids are at the same place", same)
	}
}

// told is a forecast that knows the conversation alone.
type told uint64

func (told) ReadTokens(uuid.UUID) int64 { return 0 }
func (c told) Conversation() uint64     { return uint64(c) }

func TestWithoutASessionThePromptTells(t *testing.T) {
	s := affinity.NewHomes().Strategy(affinity.Share, time.Hour)
	all := pool(1, 1, 1, 1, 1, 1, 1, 1)
	pick := func(conversation told, id string) int {
		x := session("alice", "", 0)
		x.Request.Forecast, x.Request.RequestID, x.Request.Body = conversation, id, []byte("{}")
		return s.Pick(x, all)
	}
	places := map[int]bool{}
	for c := range told(32) {
		places[pick(c, "1")] = true
		if pick(c, "1") != pick(c, "2") {
			t.Errorf("conversation %d is at two places", c)
		}
	}
	if len(places) < 4 {
		t.Errorf("32 conversations are at %d places", len(places))
	}
}

func TestAPreviewMakesNoHome(t *testing.T) {
	s := affinity.NewHomes().Strategy(affinity.Share, time.Hour)
	for i := range 32 {
		dry := session("alice", fmt.Sprint(i), 0)
		dry.Dry = true
		at := s.Pick(dry, pool(1, 1))
		if got := s.Pick(session("alice", fmt.Sprint(i), 0), pool(1, 1)[1-at:2-at]); got != 0 {
			t.Fatal("one candidate, another pick")
		}
		if s.Pick(session("alice", fmt.Sprint(i), 0), pool(1, 1)) == at {
			t.Fatalf("session %d is at home where a preview put it", i)
		}
	}
}

func TestAPickAllocatesNothing(t *testing.T) {
	s := affinity.NewHomes().Strategy(affinity.Split, time.Hour)
	all, x := pool(1, 1, 1, 1, 1, 1, 1, 1, 1, 1), session("alice", "s", 0)
	if got := testing.AllocsPerRun(100, func() { s.Pick(x, all) }); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkPickOfTen(b *testing.B) {
	s := affinity.NewHomes().Strategy(affinity.Share, time.Hour)
	all, x := pool(1, 1, 1, 1, 1, 1, 1, 1, 1, 1), session("alice", "s", 0)
	for b.Loop() {
		s.Pick(x, all)
	}
}
