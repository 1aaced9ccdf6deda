package limits_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/limits"
)

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func setOf(t *testing.T, rules ...limits.Rule) *limits.Set {
	t.Helper()
	return limits.NewBook(start).Set(limits.Holder{Principal: "alice", Rules: rules}, flat{})
}

func reserve(t *testing.T, s *limits.Set, at time.Time) engine.Reservation {
	t.Helper()
	r, err := s.Reserve(at, engine.Demand{Model: "m", MaxTokens: 100})
	if err != nil {
		t.Fatalf("reserve: %v", err)
	}
	return r
}

// refused returns the refusal of one more request, for model m unless another is named.
func refused(t *testing.T, s *limits.Set, at time.Time, model ...string) *engine.Refusal {
	t.Helper()
	_, err := s.Reserve(at, engine.Demand{Model: append(model, "m")[0], MaxTokens: 100})
	var r *engine.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("reserve gave %v, want a refusal", err)
	}
	return r
}

func TestARefusalNamesTheLimitAndWhenThereIsRoom(t *testing.T) {
	f := func(rule limits.Rule, spend engine.Usage, code, message string, retry time.Duration) {
		t.Helper()
		s := setOf(t, rule)
		reserve(t, s, start).Settle(start, engine.Spent{Model: "m", Usage: spend, Whole: true})
		r := refused(t, s, start.Add(10*time.Second))
		if string(r.Code) != code || !strings.Contains(r.Message, message) {
			t.Errorf("got %s %q, want %s %q", r.Code, r.Message, code, message)
		}
		if r.RetryAfter < retry || r.RetryAfter > retry+rule.Window/30 {
			t.Errorf("%s: retry after %v, want %v or a little more", code, r.RetryAfter, retry)
		}
		if _, err := s.Reserve(start.Add(10*time.Second).Add(r.RetryAfter), engine.Demand{Model: "m", MaxTokens: 100}); err != nil {
			t.Errorf("%s: after that wait: %v", code, err)
		}
	}
	f(limits.Rule{Kind: limits.Requests, Window: time.Minute, Max: 1}, engine.Usage{},
		"limit_requests", "this principal has reached its limit of 1 requests in 1m0s", 50*time.Second)
	f(limits.Rule{Kind: limits.OutputTokens, Window: time.Hour, Max: 500}, engine.Usage{Known: true, OutputTokens: 500},
		"limit_output_tokens", "500 tokens of output in 1h0m0s", 59*time.Minute+50*time.Second)
	f(limits.Rule{Kind: limits.InputTokens, Window: time.Minute, Max: 30}, engine.Usage{Known: true, InputTokens: 10, CacheCreationInputTokens: 20, CacheReadInputTokens: 1000},
		"limit_input_tokens", "30 tokens of input", 50*time.Second)
	f(limits.Rule{Kind: limits.TotalTokens, Window: time.Minute, Max: 40}, engine.Usage{Known: true, InputTokens: 10, CacheReadInputTokens: 20, OutputTokens: 10},
		"limit_total_tokens", "40 tokens in 1m0s", 50*time.Second)
	f(limits.Rule{Kind: limits.CostUSD, Window: 24 * time.Hour, Max: 2_500_000}, engine.Usage{Known: true, OutputTokens: 2_500_000},
		"limit_cost_usd", "2.5 dollars in 24h0m0s", 24*time.Hour-10*time.Second)
}

func TestARequestAloneIsNotRefusedForWhatItMayCost(t *testing.T) {
	s := setOf(t, limits.Rule{Kind: limits.OutputTokens, Window: time.Minute, Max: 50})
	first := reserve(t, s, start) // is expected to take 100
	if r := refused(t, s, start); r.Code != "limit_output_tokens" {
		t.Errorf("beside it: %v", r)
	}
	first.Settle(start, engine.Spent{Model: "m", Usage: engine.Usage{Known: true, OutputTokens: 49}, Whole: true})
	reserve(t, s, start)
}

func TestAnEstimateFollowsWhatAnswersWereLike(t *testing.T) {
	s := setOf(t, limits.Rule{Kind: limits.OutputTokens, Window: time.Second, Max: 2500})
	ask := func() (engine.Reservation, error) {
		return s.Reserve(start, engine.Demand{Model: "m", MaxTokens: 128_000})
	}
	first, err := ask()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(); err == nil {
		t.Error("two times 2000 tokens fit into 2500")
	}
	first.Settle(start, engine.Spent{Model: "m", Usage: engine.Usage{Known: true, OutputTokens: 100}, Whole: true})
	for range 3 {
		if _, err := ask(); err != nil {
			t.Errorf("with a mean of 100 tokens: %v", err)
		}
	}
}

func TestWhatIsNotToldCountsAsEstimated(t *testing.T) {
	f := func(u engine.Usage, whole bool, want string) {
		t.Helper()
		s := setOf(t, limits.Rule{Kind: limits.OutputTokens, Window: time.Minute, Max: 1000})
		r := reserve(t, s, start)
		r.Settle(start, engine.Spent{Model: "m", Usage: u, Whole: whole})
		if got := s.Headers(start).Get("anthropic-ratelimit-output-tokens-remaining"); got != want {
			t.Errorf("%+v, whole %v: %s tokens left, want %s", u, whole, got, want)
		}
	}
	f(engine.Usage{}, true, "900")
	f(engine.Usage{Known: true, OutputTokens: 1}, false, "900")
	f(engine.Usage{Known: true, OutputTokens: 700}, false, "300")
	f(engine.Usage{Known: true, OutputTokens: 1}, true, "999")
}

func TestAKeysOwnLimitsTakeThePlaceOfItsPrincipals(t *testing.T) {
	book := limits.NewBook(start)
	principal := []limits.Rule{{Kind: limits.Requests, Window: time.Minute, Max: 1}, {Kind: limits.Concurrency, Max: 2}}
	plain := book.Set(limits.Holder{Principal: "alice", Rules: principal, Key: "k1"}, flat{})
	laptop := book.Set(limits.Holder{Principal: "alice", Rules: principal, Key: "k2",
		KeyRules: []limits.Rule{{Kind: limits.Requests, Window: time.Minute, Max: 2}}}, flat{})
	reserve(t, plain, start)
	reserve(t, laptop, start)
	if r := refused(t, laptop, start); r.Code != "limit_concurrency" {
		t.Errorf("both share the principal's concurrency: %v", r)
	}
	if r := refused(t, plain, start.Add(time.Second)); r.Code != "limit_requests" {
		t.Errorf("the principal's own: %v", r)
	}
	if book.Set(limits.Holder{Principal: "bob"}, flat{}) != nil {
		t.Error("who has no limits has a set")
	}
}

func TestAnAmountCountsForTheWholeWindow(t *testing.T) {
	f := func(spent, asked time.Duration, let bool) {
		t.Helper()
		s := setOf(t, limits.Rule{Kind: limits.Requests, Window: time.Minute, Max: 1})
		reserve(t, s, start.Add(spent))
		if _, err := s.Reserve(start.Add(asked), engine.Demand{Model: "m"}); (err == nil) != let {
			t.Errorf("spent at %v, asked at %v: %v", spent, asked, err)
		}
	}
	f(0, 59*time.Second+999*time.Millisecond, false)
	f(900*time.Millisecond, 60*time.Second+500*time.Millisecond, false)
	f(0, 61*time.Second, true)
	f(900*time.Millisecond, 62*time.Second, true)
	f(0, 300*time.Hour, true)
}

func TestARefusedRequestHoldsNothing(t *testing.T) {
	s := setOf(t, limits.Rule{Kind: limits.Concurrency, Max: 3}, limits.Rule{Kind: limits.Requests, Window: time.Minute, Max: 1})
	first := reserve(t, s, start)
	for range 10 {
		refused(t, s, start)
	}
	first.Refund(start)
	reserve(t, s, start)
}

func TestAModelWithoutAPriceIsRefusedUnderALimitOfCost(t *testing.T) {
	s := setOf(t, limits.Rule{Kind: limits.CostUSD, Window: time.Minute, Max: 1})
	_, err := s.Reserve(start, engine.Demand{Model: "free"})
	var r *engine.Refusal
	if !errors.As(err, &r) || r.Code != engine.CodeModelNotAllowed || !strings.Contains(r.Message, `"free" has no price`) {
		t.Errorf("got %v", err)
	}
}

func TestWhatSpendsNoTokensCountsAsARequestAlone(t *testing.T) {
	s := setOf(t, limits.Rule{Kind: limits.Requests, Window: time.Minute, Max: 2}, limits.Rule{Kind: limits.CostUSD, Window: time.Minute, Max: 5},
		limits.Rule{Kind: limits.TotalTokens, Window: time.Minute, Max: 5})
	for range 2 {
		r, err := s.Reserve(start, engine.Demand{Model: "free", Bytes: 1000, Free: true})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Settle(start, engine.Spent{Model: "m", Usage: engine.Usage{}, Whole: true})
	}
	if r := refused(t, s, start); r.Code != "limit_requests" {
		t.Errorf("got %v", r)
	}
}

func TestAReloadForgetsNothing(t *testing.T) {
	book := limits.NewBook(start)
	f := func(max int64) *limits.Set {
		return book.Set(limits.Holder{Principal: "alice", Rules: []limits.Rule{{Kind: limits.Requests, Window: time.Minute, Max: max}}}, flat{})
	}
	before := f(2)
	reserve(t, before, start)
	r := reserve(t, before, start)
	after := f(3)
	reserve(t, after, start)
	refused(t, after, start)
	r.Refund(start)
	reserve(t, after, start)
}

func TestWhatALedgerTellsIsBooked(t *testing.T) {
	book := limits.NewBook(start)
	s := book.Set(limits.Holder{Principal: "alice", Rules: []limits.Rule{
		{Kind: limits.Requests, Window: time.Minute, Max: 2}, {Kind: limits.CostUSD, Window: time.Hour, Max: 1000}}}, flat{})
	book.Past(limits.Past{Principal: "alice", Came: start.Add(-30 * time.Second), Ended: start.Add(-20 * time.Second), Booked: engine.Booked{Counts: true, CostMicroUSD: 400}})
	book.Past(limits.Past{Principal: "alice", Came: start.Add(-2 * time.Minute), Ended: start.Add(-2 * time.Minute), Booked: engine.Booked{Counts: true, CostMicroUSD: 600}})
	book.Past(limits.Past{Principal: "bob", Came: start, Ended: start, Booked: engine.Booked{Counts: true, CostMicroUSD: 600}})
	if r := refused(t, s, start); r.Code != "limit_cost_usd" || r.RetryAfter < 57*time.Minute || r.RetryAfter > 60*time.Minute {
		t.Errorf("got %v, retry after %v", r, r.RetryAfter)
	}
}

func TestWhatAKeyOfItsOwnLimitSpentIsNotItsPrincipals(t *testing.T) {
	book := limits.NewBook(start)
	principal := []limits.Rule{{Kind: limits.Requests, Window: time.Hour, Max: 2}}
	plain := book.Set(limits.Holder{Principal: "alice", Rules: principal, Key: "k1"}, flat{})
	own := book.Set(limits.Holder{Principal: "alice", Rules: principal, Key: "k2", KeyRules: []limits.Rule{{Kind: limits.Requests, Window: time.Hour, Max: 3}}}, flat{})
	for range 2 {
		book.Past(limits.Past{Principal: "alice", Key: "k2", Booked: engine.Booked{Counts: true, Own: "cost_usd,requests"}, Came: start.Add(-time.Minute), Ended: start.Add(-time.Minute)})
	}
	reserve(t, plain, start)
	reserve(t, own, start)
	refused(t, own, start)
}

func TestARowOfTheFutureMovesNoWindow(t *testing.T) {
	book := limits.NewBook(start)
	s := book.Set(limits.Holder{Principal: "alice", Rules: []limits.Rule{{Kind: limits.Requests, Window: time.Hour, Max: 3}}}, flat{})
	book.Past(limits.Past{Principal: "alice", Booked: engine.Booked{Counts: true}, Came: start.Add(3 * time.Hour), Ended: start.Add(3 * time.Hour)})
	reserve(t, s, start)
	reserve(t, s, start.Add(time.Second))
	refused(t, s, start.Add(2*time.Second))
	reserve(t, s, start.Add(62*time.Minute))
}

func TestWhatOthersHoldIsSoonFree(t *testing.T) {
	s := setOf(t, limits.Rule{Kind: limits.OutputTokens, Window: time.Hour, Max: 300})
	reserve(t, s, start).Settle(start, engine.Spent{Model: "m", Usage: engine.Usage{Known: true, OutputTokens: 150}, Whole: true})
	reserve(t, s, start)
	if r := refused(t, s, start); r.RetryAfter != time.Second {
		t.Errorf("retry after %v, want a second: the estimate of the one that runs is given back when it ends", r.RetryAfter)
	}
}

func TestManyAtOnce(t *testing.T) {
	s := setOf(t, limits.Rule{Kind: limits.Concurrency, Max: 4}, limits.Rule{Kind: limits.Requests, Window: time.Hour, Max: 1 << 40})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				r, err := s.Reserve(start, engine.Demand{Model: "m"})
				if err == nil {
					s.Headers(start)
					r.Settle(start, engine.Spent{Model: "m", Usage: engine.Usage{}, Whole: true})
				}
			}
		})
	}
	wg.Wait()
	for range 4 {
		reserve(t, s, start)
	}
	refused(t, s, start)
}

func TestAReservationIsOneAllocation(t *testing.T) {
	s := setOf(t, limits.Rule{Kind: limits.Requests, Window: time.Minute, Max: 1 << 40}, limits.Rule{Kind: limits.OutputTokens, Window: time.Minute, Max: 1 << 40})
	if got := testing.AllocsPerRun(100, func() {
		r, err := s.Reserve(start, engine.Demand{Model: "m", MaxTokens: 10})
		if err != nil {
			t.Fatal(err)
		}
		r.Settle(start, engine.Spent{Model: "m", Usage: engine.Usage{Known: true, OutputTokens: 5}, Whole: true})
	}); got > 1 {
		t.Errorf("%v allocations, want 1", got)
	}
}

func BenchmarkReserveAndSettle(b *testing.B) {
	s := limits.NewBook(start).Set(limits.Holder{Principal: "alice", Rules: []limits.Rule{
		{Kind: limits.Requests, Window: time.Minute, Max: 1 << 40}, {Kind: limits.TotalTokens, Window: 5 * time.Hour, Max: 1 << 40},
		{Kind: limits.CostUSD, Window: 24 * time.Hour, Max: 1 << 40}, {Kind: limits.Concurrency, Max: 100}}}, flat{})
	b.ReportAllocs()
	now := start
	for b.Loop() {
		now = now.Add(30 * time.Microsecond)
		r, err := s.Reserve(now, engine.Demand{Model: "m", Bytes: 1000, MaxTokens: 1000})
		if err != nil {
			b.Fatal(err)
		}
		r.Settle(now, engine.Spent{Model: "m", Usage: engine.Usage{Known: true, InputTokens: 200, OutputTokens: 50}, Whole: true})
	}
}
