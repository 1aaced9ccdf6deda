package ledger

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
)

// dice makes records in which any field may hold anything.
type dice struct{ *rand.Rand }

var words = []string{"", "a", "claude-sonnet-4-5", `quote " and \ slash`, "line\nfeed\ttab\x00\x1f", "ünï ☃ \U0001F600", `,"crc":"00000000"}`, `{"v":1`}

func (d dice) text() string { return words[d.IntN(len(words))] }

func (d dice) number() int64 {
	return []int64{0, 1, -1, 42, 1 << 40, 1<<63 - 1, -1 << 63}[d.IntN(7)]
}

func (d dice) moment() time.Time {
	if d.IntN(3) == 0 {
		return time.Time{}
	}
	return time.UnixMilli(d.Int64N(1 << 43)).UTC()
}

func (d dice) duration() time.Duration { return time.Duration(d.Int64N(1 << 40)) }

func some[T any](d dice, f func() T) (out []T) {
	for range d.IntN(4) {
		out = append(out, f())
	}
	return out
}

func (d dice) record() *engine.Record {
	r := &engine.Record{RequestID: d.text(), ClientRequestID: d.text(), UpstreamReqID: d.text(), SessionID: d.text(), Started: d.moment().Add(time.Duration(d.IntN(1e6))),
		Principal: d.text(), Upstream: d.text(), Method: d.text(), Path: d.text(), Model: d.text(), Answered: d.text(), Stream: d.IntN(2) == 0,
		Status: d.IntN(600), Code: engine.Code(d.text()), CostMicroUSD: d.number(), KeyID: d.text(), Arms: d.text(), BytesIn: d.number(), BytesOut: d.number(),
		Timings:    engine.Timings{Body: d.duration(), Decide: d.duration(), TTFB: d.duration(), Duration: d.duration()},
		Generation: d.Uint64() >> 1, Dialect: d.text(),
		Inputs: engine.Inputs{Query: d.text(), MaxTokens: d.number(), ServiceTier: d.text(),
			Headers: some(d, func() engine.Header { return engine.Header{Name: d.text(), Value: d.text()} })}}
	r.Usage = d.usage()
	switch d.IntN(3) {
	case 0:
		r.Booked = engine.Booked{Counts: true, Usage: r.Usage, CostMicroUSD: r.CostMicroUSD}
	case 1:
		r.Booked = engine.Booked{Counts: true, Usage: d.usage(), CostMicroUSD: d.number(), Own: d.text()}
		r.Booked.Usage.Known = r.Booked.Usage != engine.Usage{} || r.Usage.Known
	}
	d.trace(&r.Trace)
	return r
}

func (d dice) usage() engine.Usage {
	if d.IntN(2) == 0 {
		return engine.Usage{}
	}
	return engine.Usage{Known: true, InputTokens: d.number(), OutputTokens: d.number(), CacheCreationInputTokens: d.number(),
		CacheCreation1hTokens: d.number(), CacheReadInputTokens: d.number()}
}

func (d dice) trace(t *engine.RoutingTrace) {
	t.Candidates = some(d, d.candidate)
	for i := range t.Candidates {
		c := &t.Candidates[i]
		c.Name = strings.Repeat("u", i+1) // names are unique
		if d.IntN(2) == 0 {
			c.ID = engine.UpstreamID(c.Name)
		}
		if d.IntN(2) == 0 {
			c.Vitals, c.CacheRead = &engine.Vitals{Healthy: true, Breaker: closedBreaker}, nil
		}
	}
	upstream := func() uuid.UUID {
		if n := len(t.Candidates); n > 0 && d.IntN(4) > 0 {
			return t.Candidates[d.IntN(n)].ID
		}
		return uuid.NewSHA1(uuid.NameSpaceURL, []byte(d.text()))
	}
	t.Stages = some(d, func() engine.StageDecision {
		return engine.StageDecision{Stage: d.text(), Script: d.text(), Kept: some(d, upstream), Reason: d.text(), Error: d.text(),
			Denied: d.IntN(2) == 0, Duration: d.duration(), Dropped: some(d, func() engine.PerCandidateReason {
				return engine.PerCandidateReason{UpstreamID: upstream(), Kept: d.IntN(2) == 0, Reason: d.text()}
			})}
	})
	if len(t.Candidates) > 0 && d.IntN(2) == 0 {
		c := t.Candidates[0]
		t.Terminal = engine.TerminalDecision{Upstream: c.Name, By: d.text(), Script: d.text()}
	}
	t.Attempts = some(d, func() engine.Attempt {
		return engine.Attempt{Upstream: d.text(), Status: d.IntN(600), Error: d.text(), TTFB: d.duration(),
			Class: engine.FailureClass(d.text()), Cooling: d.cooling()}
	})
	t.Errors = some(d, func() engine.InternalError {
		return engine.InternalError{Stage: engine.StageFilter, Kind: engine.InternalTrap, Message: d.text(), Stack: some(d, d.text)}
	})
}

func (d dice) cooling() engine.Cooling {
	return engine.Cooling{Class: engine.FailureClass("c" + d.text()), Account: d.text(), Scope: d.text(), Family: d.IntN(2) == 0, Until: d.moment(), Soft: d.IntN(2) == 0}
}

func (d dice) candidate() engine.UpstreamCandidate {
	c := engine.UpstreamCandidate{
		Upstream: &engine.Upstream{ID: uuid.NewSHA1(uuid.NameSpaceURL, []byte{byte(d.IntN(256)), byte(d.IntN(256))})},
		Vitals: &engine.Vitals{Healthy: d.IntN(2) == 0, Cooldown: d.duration(), Breaker: "b" + d.text(), InFlight: d.IntN(100),
			Reopens: d.duration(), Full: d.IntN(2) == 0, Queued: d.IntN(100),
			Cooling:     d.cooling(),
			Concurrency: d.IntN(2), ErrorRate: d.Float64(), TTFB: d.duration(),
			RateLimits: some(d, func() engine.RateLimit {
				return engine.RateLimit{Kind: d.text(), Window: d.text(), Limit: d.number(), Remaining: d.number(), Resets: d.moment()}
			}),
			Quotas: some(d, func() engine.Quota {
				return engine.Quota{Window: d.text(), Status: d.text(), Utilization: d.Float64() - 0.5, Resets: d.moment(), Observed: d.moment()}
			})}}
	if d.IntN(2) == 0 {
		n := d.number()
		c.CacheRead = &n
	}
	return c
}

func TestARowReadsBackAsTheRecordItWas(t *testing.T) {
	d := dice{rand.New(rand.NewPCG(1, 2))}
	words := vocabulary{}
	for range 5000 {
		r := d.record()
		line := appendRow([]byte("before"), r, newMentions())[len("before"):]
		got, err := parseRow(line, words)
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Fatalf("%v\n%s\n got %+v\nwant %+v", err, line, got, r)
		}
		if !json.Valid(line) || bytes.Count(line, []byte{'\n'}) != 1 {
			t.Fatalf("no single line of JSON: %q", line)
		}
		if ids := rowIDs(line); ids != [3]string{r.RequestID, r.ClientRequestID, r.UpstreamReqID} {
			t.Fatalf("ids %q of %s", ids, line)
		}
	}
}

func FuzzNoLineIsTakenForAnotherRow(f *testing.F) {
	d := dice{rand.New(rand.NewPCG(3, 4))}
	for range 20 {
		f.Add(appendRow(nil, d.record(), newMentions()), 5, byte(1))
	}
	f.Add([]byte("\"}\n"), 0, byte(0))
	f.Fuzz(func(t *testing.T, line []byte, at int, flip byte) {
		if r, err := parseRow(line, nil); err == nil {
			if again, err := parseRow(appendRow(nil, r, newMentions()), nil); err != nil || !reflect.DeepEqual(again, r) {
				t.Fatalf("%q reads as %+v, which is written as something else: %v", line, r, err)
			}
		}
		rowIDs(line)
		row := appendRow(nil, &engine.Record{RequestID: string(line)}, newMentions())
		if flip == 0 || at < 0 {
			return
		}
		row[at%len(row)] ^= flip
		if _, err := parseRow(row, nil); err == nil && !bytes.ContainsAny(row[len(row)-sealLen:], "ABCDEF") {
			t.Fatalf("a row with one byte changed is taken for whole: %q", row)
		}
	})
}

func TestFieldsOfALaterVersionAreSkipped(t *testing.T) {
	line := []byte(`{"v":2,"new":{"a":[1,{"b":"}\"]"}],"c":null},"request_id":"r","started":"2026-01-02T03:04:05Z","usage":{"input_tokens":3,"x":[]},` +
		`"candidates":[{"upstream":"a","id":"00000000-0000-0000-0000-000000000001","mood":"fine"}],"stages":[{"stage":"s","kept":["a"],"new":1.5e3}]`)
	r, err := parseRow(appendSeal(line, 0), nil)
	if err != nil || r.RequestID != "r" || r.Usage.InputTokens != 3 || len(r.Trace.Stages[0].Kept) != 1 || r.Trace.Candidates[0].Name != "a" {
		t.Errorf("%+v, %v", r, err)
	}
}

// Sample is a row like those of a real gateway.
func Sample(status int) *engine.Record {
	now := time.Now().Round(0).UTC()
	c := make([]engine.UpstreamCandidate, 3)
	for i, name := range []string{"team-a", "team-b", "spare"} {
		c[i] = engine.UpstreamCandidate{Upstream: &engine.Upstream{ID: uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)), Name: name},
			Vitals: &engine.Vitals{Healthy: true, Breaker: "closed", InFlight: i, TTFB: time.Second,
				Quotas: []engine.Quota{{Window: "5h", Status: "allowed", Utilization: 0.25, Resets: now.Add(time.Hour), Observed: now}}}}
	}
	return &engine.Record{RequestID: uuid.Must(uuid.NewV7()).String(), UpstreamReqID: "req_" + uuid.NewString(), SessionID: uuid.NewString(),
		Started: now, Principal: "alice", Upstream: "team-a", Method: "POST", Path: "/v1/messages", Model: "claude-sonnet-4-5", Stream: true,
		Status: status, Usage: engine.Usage{Known: true, InputTokens: 12, OutputTokens: 345, CacheReadInputTokens: 40000},
		BytesIn: 150000, BytesOut: 8000, Timings: engine.Timings{Body: time.Millisecond, Decide: time.Millisecond, TTFB: time.Second, Duration: 5 * time.Second},
		Generation: 7, Inputs: engine.Inputs{MaxTokens: 32000, Headers: engine.Headers{{Name: "x-app", Value: "cli"}}},
		Trace: engine.RoutingTrace{Candidates: c,
			Stages: []engine.StageDecision{{Stage: "headroom", Script: "filters/headroom.star@0123456789ab", Reason: "5h window below 90%",
				Kept: []uuid.UUID{c[0].ID, c[1].ID}, Dropped: []engine.PerCandidateReason{{UpstreamID: c[2].ID, Reason: "full"}}, Duration: time.Microsecond}},
			Terminal: engine.TerminalDecision{Upstream: "team-a", By: "first-pick"},
			Attempts: []engine.Attempt{{Upstream: "team-a", Status: status, TTFB: time.Second}}}}
}
