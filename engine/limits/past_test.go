package limits_test

import (
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/limits"
)

// household is a principal with two keys of which one has limits of its own.
type household struct {
	principal, own []limits.Rule
}

var everyKind = household{
	principal: []limits.Rule{{Kind: limits.Requests, Window: time.Minute, Max: 1 << 40}, {Kind: limits.InputTokens, Window: time.Hour, Max: 1 << 40},
		{Kind: limits.OutputTokens, Window: 7 * time.Second, Max: 1 << 40}, {Kind: limits.TotalTokens, Window: 5 * time.Hour, Max: 1 << 40},
		{Kind: limits.CostUSD, Window: 24 * time.Hour, Max: 1 << 40}, {Kind: limits.Concurrency, Max: 1 << 40}},
	own: []limits.Rule{{Kind: limits.Requests, Window: 90 * time.Second, Max: 1 << 40}, {Kind: limits.CostUSD, Window: time.Hour, Max: 1 << 40},
		{Kind: limits.CostUSD, Window: 3 * time.Hour, Max: 1 << 40}},
}

func (h household) sets(b *limits.Book) map[string]*limits.Set {
	return map[string]*limits.Set{
		"k1": b.Set(limits.Holder{Principal: "alice", Rules: h.principal, Key: "k1"}, flat{}),
		"k2": b.Set(limits.Holder{Principal: "alice", Rules: h.principal, Key: "k2", KeyRules: h.own}, flat{}),
	}
}

// traffic is requests that end in every way, and what a ledger would keep of them.
type traffic struct {
	t    *testing.T
	rng  *rand.Rand
	now  time.Time
	sets map[string]*limits.Set
	open []*running
	rows []limits.Past
}

type running struct {
	engine.Reservation
	key  string
	came time.Time
}

func (l *traffic) step() {
	l.now = l.now.Add(time.Duration(l.rng.ExpFloat64() * float64(time.Second)))
	if len(l.open) == 0 || l.rng.IntN(2) == 0 {
		l.begin([]string{"k1", "k2"}[l.rng.IntN(2)])
		return
	}
	i := l.rng.IntN(len(l.open))
	r := l.open[i]
	l.open = append(l.open[:i], l.open[i+1:]...)
	l.end(r)
}

func (l *traffic) begin(key string) {
	came := l.now
	l.now = l.now.Add(time.Duration(l.rng.IntN(3)) * time.Second) // it sends its body
	d := engine.Demand{Came: came, Model: "m", MaxTokens: l.rng.Int64N(5000), Bytes: l.rng.IntN(9000), Free: l.rng.IntN(5) == 0}
	r, err := l.sets[key].Reserve(l.now, d)
	if err == nil {
		l.open = append(l.open, &running{r, key, came})
	}
}

// end ends a request: whole, cut, without usage, answered by another model, or refunded.
func (l *traffic) end(r *running) {
	if l.rng.IntN(5) == 0 {
		r.Refund(l.now)
		return
	}
	s := engine.Spent{Model: []string{"m", "free"}[l.rng.IntN(2)], Whole: l.rng.IntN(2) == 0}
	if l.rng.IntN(3) > 0 {
		s.Usage = engine.Usage{Known: true, InputTokens: l.rng.Int64N(900), OutputTokens: l.rng.Int64N(900), CacheReadInputTokens: l.rng.Int64N(900)}
	}
	l.rows = append(l.rows, limits.Past{Principal: "alice", Key: r.key, Came: r.came, Ended: l.now, Booked: r.Settle(l.now, s)})
}

func (l *traffic) wantSame(got, want map[string]int64) {
	l.t.Helper()
	if !maps.Equal(got, want) {
		l.t.Fatalf("windows\n%v\nwant\n%v", got, want)
	}
}

// TestARestartRebuildsEveryWindow: however requests ended, what the ledger has of them makes the windows what they were, slot by slot.
func TestARestartRebuildsEveryWindow(t *testing.T) {
	for seed := range uint64(20) {
		book := limits.NewBook(start)
		l := &traffic{t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: start, sets: everyKind.sets(book)}
		for range 400 {
			l.step()
		}
		for _, r := range l.open {
			r.Refund(l.now)
		}
		again := limits.NewBook(l.now.Add(time.Second))
		everyKind.sets(again)
		again.Missing(l.now.Add(time.Second))
		for _, row := range l.rows {
			again.Past(row)
		}
		again.Complete()
		l.now = l.now.Add(2 * time.Second)
		l.wantSame(again.Windows("alice", l.now), book.Windows("alice", l.now))
	}
}

// TestANewLimitKnowsThePast: limits that come while requests run have in the end what they would have had from the beginning, whenever the
// requests end.
func TestANewLimitKnowsThePast(t *testing.T) {
	few := household{principal: everyKind.principal[:1], own: everyKind.own[:2]}
	for seed := range uint64(20) {
		whole, grown := limits.NewBook(start), limits.NewBook(start)
		all := &traffic{t: t, rng: rand.New(rand.NewPCG(seed, 2)), now: start, sets: everyKind.sets(whole)}
		l := &traffic{t: t, rng: rand.New(rand.NewPCG(seed, 2)), now: start, sets: few.sets(grown)}
		grown.Complete()
		both := func(n int) {
			for range n {
				all.step()
				l.step()
			}
		}
		both(150)
		sets := everyKind.sets(grown)
		both(20) // the build goes on, with requests in the sets of before
		back, of := grown.Missing(l.now.Add(1))
		if len(of) != 1 || !of["alice"] {
			t.Fatalf("the limits of %v are new", of)
		}
		before := len(l.rows)
		both(20) // and so does the reading of the ledger, which sees rows of this time or not
		for _, row := range l.rows[:(before+len(l.rows))/2] {
			if row.Ended.After(l.now.Add(-back)) {
				grown.Past(row)
			}
		}
		grown.Complete()
		both(20)
		l.sets = sets
		both(150)
		for _, l := range []*traffic{all, l} {
			for _, r := range l.open {
				r.Refund(l.now)
			}
		}
		l.wantSame(grown.Windows("alice", l.now), whole.Windows("alice", l.now))
	}
}

func TestALimitThatGoesAndComesBackHasLostNothing(t *testing.T) {
	book := limits.NewBook(start)
	rule := []limits.Rule{{Kind: limits.Requests, Window: time.Hour, Max: 3}}
	set := func(rules []limits.Rule) *limits.Set {
		s := book.Set(limits.Holder{Principal: "alice", Rules: rules, Key: "k1"}, flat{})
		book.Complete()
		return s
	}
	reserve(t, set(rule), start)
	reserve(t, set(nil), start)
	back := set(rule)
	reserve(t, back, start)
	refused(t, back, start)
}

// TestARequestThatHadNoLimitsCountsInThoseThatCame: it runs while a build brings its principal's first ones.
func TestARequestThatHadNoLimitsCountsInThoseThatCame(t *testing.T) {
	book := limits.NewBook(start)
	book.Complete()
	late := limits.Past{Principal: "alice", Came: start, Ended: start.Add(2 * time.Second), Booked: engine.Booked{Counts: true}}
	book.Late(late) // nobody has limits
	s := book.Set(limits.Holder{Principal: "alice", Rules: []limits.Rule{{Kind: limits.Requests, Window: time.Hour, Max: 3}}, Key: "k1"}, flat{})
	book.Late(late) // the ledger is not read yet, and tells of it
	book.Missing(start.Add(3 * time.Second))
	book.Past(late)
	late.Ended = start.Add(4 * time.Second)
	book.Past(late) // it is in the ledger by now, but
	book.Late(late) // tells itself
	book.Complete()
	reserve(t, s, start.Add(5*time.Second))
	refused(t, s, start.Add(6*time.Second))
}

func TestWhoeverMayAnswerMustHaveAPrice(t *testing.T) {
	s := setOf(t, limits.Rule{Kind: limits.CostUSD, Window: time.Minute, Max: 5000})
	_, err := s.Reserve(start, engine.Demand{Model: "m", Fallbacks: []string{"n", "free"}})
	if err == nil || err.Error() != refused(t, setOf(t, limits.Rule{Kind: limits.CostUSD, Window: time.Minute, Max: 1}), start, "free").Error() {
		t.Errorf("with a fallback that has no price: %v", err)
	}
	if _, err := s.Reserve(start, engine.Demand{Model: "m", Fallbacks: []string{"n"}}); err != nil {
		t.Errorf("with one that has: %v", err)
	}
}

func TestARequestWaitsForTheLimitThatFreesLast(t *testing.T) {
	s := setOf(t, limits.Rule{Kind: limits.Requests, Window: time.Minute, Max: 1}, limits.Rule{Kind: limits.OutputTokens, Window: time.Hour, Max: 10})
	reserve(t, s, start).Settle(start, engine.Spent{Model: "m", Whole: true, Usage: engine.Usage{Known: true, OutputTokens: 20}})
	if r := refused(t, s, start); r.Code != "limit_output_tokens" || r.RetryAfter < time.Hour {
		t.Errorf("%s, retry after %v: the other limit is still reached by then", r.Code, r.RetryAfter)
	}
}

// moves is a key whose own limit comes and goes.
type moves struct {
	t    *testing.T
	book *limits.Book
	rows []limits.Past
	now  time.Time
}

func (m *moves) set(own bool) *limits.Set {
	h := limits.Holder{Principal: "alice", Rules: []limits.Rule{{Kind: limits.Requests, Window: time.Hour, Max: 1 << 20},
		{Kind: limits.Concurrency, Max: 1 << 20}}, Key: "k"}
	m.book.Set(limits.Holder{Principal: "alice", Rules: h.Rules, Key: "another"}, flat{})
	if own {
		h.KeyRules = []limits.Rule{{Kind: limits.Requests, Window: time.Minute * 30, Max: 1 << 20}, {Kind: limits.Concurrency, Max: 1 << 20}}
	}
	return m.book.Set(h, flat{})
}

// save is what a reload does: it makes the set, and tells what the ledger has.
func (m *moves) save(own bool) *limits.Set {
	s := m.set(own)
	if back, _ := m.book.Missing(m.now); back > 0 {
		for _, row := range m.rows {
			m.book.Past(row)
		}
	}
	m.book.Complete()
	return s
}

func (m *moves) spend(s *limits.Set, n int) {
	for range n {
		m.now = m.now.Add(time.Second)
		came := m.now
		r := reserve(m.t, s, came)
		m.rows = append(m.rows, limits.Past{Principal: "alice", Key: "k", Came: came, Ended: m.now, Booked: r.Settle(m.now, engine.Spent{})})
	}
	m.now = m.now.Add(time.Second)
}

// wants compares the windows of this process, and of one that starts with the same config.
func (m *moves) wants(what string, own bool, principal, key int64) {
	m.t.Helper()
	again := &moves{m.t, limits.NewBook(m.now), m.rows, m.now}
	again.save(own)
	for which, book := range map[string]*limits.Book{"this process": m.book, "one that starts": again.book} {
		got := map[time.Duration]int64{}
		for name, n := range book.Windows("alice", m.now) {
			switch {
			case strings.Contains(name, "1h0m0s"):
				got[time.Hour] += n
			case strings.Contains(name, "30m0s"):
				got[30*time.Minute] += n
			}
		}
		if got[time.Hour] != principal || own && got[30*time.Minute] != key {
			m.t.Errorf("%s, %s: the principal has spent %d, the key %d, want %d and %d", what, which, got[time.Hour], got[30*time.Minute], principal, key)
		}
	}
}

// TestARequestCountsInTheLimitsThatItsKeyHad: whatever its key has later, in this process and in one that starts.
func TestARequestCountsInTheLimitsThatItsKeyHad(t *testing.T) {
	m := &moves{t: t, book: limits.NewBook(start), now: start}
	m.spend(m.save(false), 5)
	m.wants("no limit of its own", false, 5, 0)
	s := m.save(true)
	m.wants("it comes", true, 5, 5) // and is filled with what the key spent
	m.spend(s, 3)
	m.wants("it holds", true, 5, 8)
	m.set(false) // a config that is refused
	m.book.Abandon()
	m.spend(m.save(true), 1)
	m.wants("it did not go", true, 5, 9)
	came := m.now
	r := reserve(t, s, came)
	s = m.save(false)
	m.now = m.now.Add(time.Second)
	m.rows = append(m.rows, limits.Past{Principal: "alice", Key: "k", Came: came, Ended: m.now, Booked: r.Settle(m.now, engine.Spent{})})
	m.wants("it goes while one runs", false, 5, 0)
	m.spend(s, 2)
	m.wants("it is gone", false, 7, 0)
	m.spend(m.save(true), 2)
	m.wants("it is back", true, 7, 14)
	m.save(false)
	m.save(false)
	m.wants("it goes once more", false, 7, 0)
}
