package proxy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/limits"
)

var aliceLimits = limits.Holder{Principal: "alice", Rules: []limits.Rule{{Kind: limits.Requests, Window: time.Hour, Max: 100},
	{Kind: limits.OutputTokens, Window: time.Hour, Max: 10_000}, {Kind: limits.Concurrency, Max: 1}}}

// spender is a rig whose alice has limits, that one request at a time does not reach.
func spender(t *testing.T, act func(*stage)) (*rig, *limits.Set) {
	r := newRig(t, plays(t, act).upstream("a"))
	set := limits.NewBook(time.Now()).Set(aliceLimits, dear{})
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
			left = afterRestart(row)
			want(t, "requests left after a restart", left.Get("anthropic-ratelimit-requests-remaining"), requests)
			want(t, "tokens left after a restart", left.Get("anthropic-ratelimit-output-tokens-remaining"), output)

			r = newRig(t, plays(t, act).upstream("a"))
			r.gen.Prices = dear{}
			ask(r.start())
			left = afterRestart(r.ledger.wait(t, 1)[0])
			want(t, "requests left of limits that came later", left.Get("anthropic-ratelimit-requests-remaining"), requests)
			want(t, "tokens left of limits that came later", left.Get("anthropic-ratelimit-output-tokens-remaining"), output)
		})
	}
	whole := func(r *rig) { r.do(post("/v1/messages", hello)) }
	streams := func(r *rig) { r.do(post("/v1/messages", helloStream)) }
	f("an answer", answers(ok(`{"usage":{"input_tokens":3,"output_tokens":7}}`)), whole, "99", "9993", 200)
	f("an answer without usage", answers(ok(`{}`)), whole, "99", "9936", 200)
	f("a stream", answers(eventHead+chunk(start+delta+usage+stop)+lastChunk), streams, "99", "9991", 200)
	f("a stream that breaks off", func(s *stage) { s.next(); s.say(eventHead + chunk(start)) }, streams, "99", "9936", 200)
	f("a stream that ends in an error", answers(eventHead+chunk(start+"event: error\ndata: {}\n\n")+lastChunk), streams, "99", "9936", 200)
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
	refusing := func(r *rig) {
		no := translating{response: func(_ *engine.State, r *engine.Reply) (*engine.Reply, error) {
			return &engine.Reply{Status: 451, Headers: r.Headers, Body: []byte("{}")}, nil
		}}
		r.gen.Upstreams[0].Dialect = &engine.DialectSlot{Dialect: no, Script: "x.star", Meter: &engine.Meter{}}
		whole(r)
	}
	f("an answer that its dialect makes an error", answers(ok(`{"usage":{"input_tokens":3,"output_tokens":7}}`)), refusing, "99", "9993", 451)
	f("one of unknown usage", answers(ok(`{}`)), withheld, "99", "9936", 502)
	f("counting tokens", answers(ok(`{"input_tokens":3}`)), func(r *rig) { r.do(post("/v1/messages/count_tokens", hello)) }, "99", "10000", 200)
}

// TestARefusalTellsWhatIsLeftAfterIt: what was held for a request that nobody served is given back, and its answer says so.
func TestARefusalTellsWhatIsLeftAfterIt(t *testing.T) {
	r, _ := spender(t, func(s *stage) { s.next() })
	left := r.do(post("/v1/messages", hello)).Header
	want(t, "requests left", left.Get("anthropic-ratelimit-requests-remaining"), "100")
	want(t, "tokens left", left.Get("anthropic-ratelimit-output-tokens-remaining"), "10000")
}

// afterRestart is what alice has left where a row is all that is known of the past.
func afterRestart(row *engine.Record) engine.Headers {
	book := limits.NewBook(time.Now())
	set := book.Set(aliceLimits, dear{})
	book.Past(limits.Past{Principal: row.Principal, Came: row.Started, Ended: row.Started.Add(row.Timings.Duration), Booked: row.Booked})
	return set.Headers(time.Now())
}

// departing is an upstream that says something and waits, and a client that goes away when it has.
func departing(say string) (act func(*stage), ask func(*rig)) {
	said := make(chan struct{}, 1)
	act = func(s *stage) {
		s.next()
		s.say(say)
		said <- struct{}{}
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

// TestARowHasItsCost: that of the model that answered, where it has a price, else that of the one that was asked.
func TestARowHasItsCost(t *testing.T) {
	f := func(name, answer, answered string, cost, booked int64) {
		t.Run(name, func(t *testing.T) {
			prices := tariff{"claude-x": 1e6, "claude-y": 3e6}
			r := newRig(t, plays(t, answers(answer)).upstream("a"))
			r.gen.Keys, r.gen.Prices = limited{r.keys, limits.NewBook(time.Now()).Set(aliceLimits, prices)}, prices
			r.start()
			r.do(post("/v1/messages", hello))
			row := r.ledger.wait(t, 1)[0]
			want(t, "model", row.Model, "claude-x")
			want(t, "answered", row.Answered, answered)
			want(t, "cost", row.CostMicroUSD, cost)
			want(t, "booked", row.Booked.CostMicroUSD, booked)
		})
	}
	tokens := `"usage":{"input_tokens":3,"output_tokens":7}}`
	events := func(model string) string {
		return eventHead + chunk(strings.Replace(start, `"id"`, `"model":"`+model+`","id"`, 1)+delta+usage+stop) + lastChunk
	}
	f("as asked", ok(`{"model":"claude-x",`+tokens), "", 10_000_000, 10_000_000)
	f("no model told", ok(`{`+tokens), "", 10_000_000, 10_000_000)
	f("a fallback", ok(`{"model":"claude-y",`+tokens), "claude-y", 30_000_000, 30_000_000)
	f("one without a price", ok(`{"model":"llama",`+tokens), "llama", 10_000_000, 10_000_000)
	f("a fallback in events", events("claude-y"), "claude-y", 48_000_000, 48_000_000)
	f("nothing told", ok("{}"), "", 0, 84_000_000)
}

// tariff is the price of a token by model.
type tariff map[string]int64

func (t tariff) Cost(model string, u engine.Usage) (int64, bool) {
	price, known := t[model]
	return (u.InputTokens + u.OutputTokens) * price, known
}

func TestAModelThatMayAnswerNeedsAPriceUnderALimitOfCost(t *testing.T) {
	r := newRig(t, plays(t, answers(ok("{}"))).upstream("a"))
	set := limits.NewBook(time.Now()).Set(limits.Holder{Principal: "alice", Rules: []limits.Rule{{Kind: limits.CostUSD, Window: time.Hour, Max: 1e9}}}, dear{})
	r.gen.Keys, r.gen.Prices = limited{r.keys, set}, dear{}
	r.start()
	ask := func(fallbacks string) string {
		return r.do(post("/v1/messages", strings.Replace(hello, "{", `{"fallbacks":`+fallbacks+`,`, 1))).code()
	}
	want(t, "priced", ask(`[{"model":"claude-x"}]`), "200 ")
	want(t, "none", ask(`null`), "200 ")
	want(t, "an object", ask(`[{"model":"claude-x"},{"model":"new"}]`), "403 model_not_allowed")
	want(t, "a name", ask(`["new"]`), "403 model_not_allowed")
}
