package proxy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/limits"
)

// spender is a rig whose alice has limits, that one request at a time does not reach.
func spender(t *testing.T, act func(*stage)) (*rig, *limits.Set) {
	r := newRig(t, plays(t, act).upstream("a"))
	set := limits.NewBook(time.Now()).Set(limits.Holder{Principal: "alice", Rules: []limits.Rule{
		{Kind: limits.Requests, Window: time.Hour, Max: 100}, {Kind: limits.OutputTokens, Window: time.Hour, Max: 10_000},
		{Kind: limits.Concurrency, Max: 1}}}, dear{})
	r.gen.Keys, r.gen.Prices = limited{r.keys, set}, dear{}
	r.start()
	return r, set
}

func TestEveryExitSettlesTheLimitsOnce(t *testing.T) {
	f := func(name string, act func(*stage), ask func(r *rig), requests, output string, status int) {
		t.Run(name, func(t *testing.T) {
			r, set := spender(t, act)
			ask(r)
			row := r.ledger.wait(t, 1)[0]
			want(t, "status", row.Status, status)
			left := set.Headers(time.Now())
			want(t, "requests left", left.Get("anthropic-ratelimit-requests-remaining"), requests)
			want(t, "tokens left", left.Get("anthropic-ratelimit-output-tokens-remaining"), output)
			if _, err := set.Reserve(time.Now(), engine.Demand{}); err != nil {
				t.Errorf("the next request: %v", err)
			}
		})
	}
	whole := func(r *rig) { r.do(post("/v1/messages", hello)) }
	streams := func(r *rig) { r.do(post("/v1/messages", helloStream)) }
	f("an answer", answers(ok(`{"usage":{"input_tokens":3,"output_tokens":7}}`)), whole, "99", "9993", 200)
	f("an answer without usage", answers(ok(`{}`)), whole, "99", "9936", 200)
	f("a stream", answers(eventHead+chunk(start+delta+usage+stop)+lastChunk), streams, "99", "9991", 200)
	f("a stream that breaks off", func(s *stage) { s.next(); s.say(eventHead + chunk(start)) }, streams, "99", "9936", 200)
	f("an error of the upstream", answers(strings.Replace(ok("{}"), "200 OK", "500 Oh", 1)), whole, "100", "10000", 500)
	f("no answer", func(s *stage) { s.next() }, whole, "100", "10000", 502)
	f("a refusal of ours", answers(ok("{}")), func(r *rig) { r.do(post("/v1/messages", "{")) }, "100", "10000", 400)
	act, leaves := departing("")
	f("the client leaves before an answer", act, leaves, "99", "9936", 499)
	act, leaves = departing(eventHead + chunk(start))
	f("the client leaves in the middle", act, leaves, "99", "9936", 499)
	withheld := func(r *rig) {
		no := translating{response: func(*engine.State, *engine.Reply) (*engine.Reply, error) { return nil, errors.New("no") }}
		r.gen.Upstreams[0].Dialect = &engine.DialectSlot{Dialect: no, Policy: engine.FailClosed, Script: "x.star", Meter: &engine.Meter{}}
		whole(r)
	}
	f("an answer that its dialect withholds", answers(ok(`{"usage":{"input_tokens":3,"output_tokens":7}}`)), withheld, "99", "9993", 502)
	f("one of unknown usage", answers(ok(`{}`)), withheld, "99", "9936", 502)
	f("counting tokens", answers(ok(`{"input_tokens":3}`)), func(r *rig) { r.do(post("/v1/messages/count_tokens", hello)) }, "99", "10000", 200)
}

// departing is an upstream that says something and waits, and a client that goes away when it has.
func departing(say string) (act func(*stage), ask func(*rig)) {
	said := make(chan struct{})
	act = func(s *stage) {
		s.next()
		s.say(say)
		close(said)
		s.gone()
	}
	return act, func(r *rig) {
		c := r.dial().send(post("/v1/messages", helloStream))
		<-said
		c.nc.Close()
	}
}

func TestAKeysOwnLimitsAreToldInThePlaceOfTheAccounts(t *testing.T) {
	answer := strings.Replace(ok("{}"), "\r\n", "\r\nAnthropic-RateLimit-Requests-Remaining: 4\r\nAnthropic-RateLimit-Input-Tokens-Remaining: 5\r\n", 1)
	r, _ := spender(t, answers(answer))
	got := r.do(post("/v1/messages", hello))
	want(t, "requests", strings.Join(got.Header.Values("anthropic-ratelimit-requests-remaining"), ","), "99")
	want(t, "limit", got.Header.Get("anthropic-ratelimit-requests-limit"), "100")
	want(t, "of no limit of ours", got.Header.Get("anthropic-ratelimit-input-tokens-remaining"), "5")
	if _, err := time.Parse(time.RFC3339, got.Header.Get("anthropic-ratelimit-requests-reset")); err != nil {
		t.Error(err)
	}
}

func TestARowHasItsCost(t *testing.T) {
	r, _ := spender(t, answers(ok(`{"usage":{"input_tokens":3,"output_tokens":7}}`)))
	r.do(post("/v1/messages", hello))
	want(t, "cost", r.ledger.wait(t, 1)[0].CostMicroUSD, int64(10_000_000))
	want(t, "unknown", engine.Record{}.CostMicroUSD, int64(0))
}
