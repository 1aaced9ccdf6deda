package runtimes_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"sluice/engine"
	"sluice/runtimes"
)

// three are candidates whose names are a, b and c, in the order of their ids.
func three(t *testing.T) (*runtimes.Call, []engine.UpstreamCandidate) {
	t.Helper()
	c := &runtimes.Call{Now: runtimes.SampleNow()}
	var out []engine.UpstreamCandidate
	for i, name := range []string{"a", "b", "c"} {
		id := fmt.Sprintf("00000000-0000-4000-8000-00000000000%d", i)
		made, err := runtimes.NewCandidate(c, name, parsed(t, fmt.Sprintf(`{"id": %q}`, id)))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, *made.UpstreamCandidate)
	}
	return c, out
}

// hosts are the candidates as a script sees them.
func hosts(c *runtimes.Call, candidates []engine.UpstreamCandidate) []runtimes.Value {
	out := make([]runtimes.Value, len(candidates))
	for i := range candidates {
		out[i] = runtimes.OfHost(runtimes.TypeCandidate, &runtimes.Candidate{UpstreamCandidate: &candidates[i], Call: c})
	}
	return out
}

func outputError(t *testing.T, err error) string {
	t.Helper()
	var e *engine.OutputError
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *engine.OutputError", err)
	}
	return string(e.Variant) + ": " + e.Reason
}

func TestWhatAFilterReturned(t *testing.T) {
	c, candidates := three(t)
	h := hosts(c, candidates)
	id := func(i int) string { return candidates[i].ID.String() }
	f := func(v runtimes.Value, want string) {
		t.Helper()
		out, err := runtimes.DecodeFilter(v, candidates)
		if err != nil {
			if got := outputError(t, err); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			return
		}
		got := ""
		for _, kept := range out.KeptUpstreamIDs {
			got += kept.String()[35:]
		}
		for _, r := range out.PerCandidateReasons {
			got += fmt.Sprintf(" %s=%v:%s", r.UpstreamID.String()[35:], r.Kept, r.Reason)
		}
		if out.Denied {
			got += " denied"
		}
		if got += " " + out.Reason; strings.TrimSpace(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(seq(h[0], h[2]), "02")
	f(seq(h[2], str(id(0))), "20")
	f(seq(), "")
	f(runtimes.OfMap(either{}), "")
	f(obj(key("keep", seq(h[1]))), "1")
	f(obj(key("keep", runtimes.OfMap(either{})), key("reason", str("full"))), "full")
	f(obj(key("keep", seq(h[1])), key("reason", str("r")), key("reasons", obj(key(id(1), str("x")), key(id(0), str("y"))))),
		"1 1=true:x 0=false:y r")
	f(obj(key("deny", str("no"))), "denied no")
	f(obj(key("deny", nothing), key("keep", seq())), "")

	const want = ", want a list of candidates, or {keep, reason, reasons}, or {deny}"
	f(nothing, "shape: filter returned nothing"+want)
	f(str("a"), `shape: filter returned "a"`+want)
	f(num(3), "shape: filter returned the number 3"+want)
	f(h[0], "shape: filter returned a candidate"+want)
	f(runtimes.OfOwn(1), "shape: filter returned a function"+want)
	f(obj(), "shape: filter returned nothing under keep, want a list of candidates")
	f(obj(key("kep", seq())), `shape: filter returned a map with the key "kep", want keep`)
	f(obj(key(badKey, seq())), "shape: filter returned a map with a key that is a bool, want a string")
	f(seq(num(1)), "shape: filter returned the number 1, want a candidate of this request")
	f(seq(h[0], h[0]), `duplicate: filter returned candidate "a" twice`)
	f(seq(h[0], str(id(0))), `duplicate: filter returned candidate "a" twice`)
	f(seq(str("a")), `unknown: filter returned "a", want a candidate or its id, and not its name`)
	f(seq(str("00000000-0000-4000-8000-000000000009")),
		`unknown: filter returned "00000000-0000-4000-8000-000000000009", want a candidate of this request`)
	f(seq(str("{"+id(0)+"}")), `unknown: filter returned "{`+id(0)+`}", want a candidate of this request`)
	_, others := three(t)
	f(seq(hosts(c, others)[0]), `unknown: filter returned candidate "a" of another call, want a candidate of this request`)
	f(obj(key("keep", seq()), key("reason", num(1))), "shape: filter returned the number 1 under reason, want a string")
	f(obj(key("keep", seq()), key("reasons", seq(num(1)))), "shape: filter returned a list under reasons, want {id: text}")
	f(obj(key("keep", seq()), key("reasons", obj(key("a", str("x"))))),
		`unknown: filter returned a reason for "a", want the id of a candidate`)
	f(obj(key("keep", seq()), key("reasons", obj(key(id(0), num(1))))),
		`shape: filter returned the number 1 as the reason for "a", want a string`)
	f(obj(key("deny", runtimes.OfBool(true))), "shape: filter returned the bool true under deny, want a text")
	f(obj(key("deny", str(""))), `shape: filter returned "" under deny, want a text`)
	f(obj(key("deny", str("no")), key("keep", seq())), "shape: filter returned deny beside other keys, want deny alone")
}

func TestALongListOfCandidatesIsDecoded(t *testing.T) {
	c := &runtimes.Call{}
	one, err := runtimes.NewCandidate(c, "a", nothing)
	if err != nil {
		t.Fatal(err)
	}
	candidates := make([]engine.UpstreamCandidate, 300)
	for i := range candidates {
		u := *one.Upstream
		u.ID[0], u.ID[1] = byte(i>>8), byte(i)
		candidates[i] = engine.UpstreamCandidate{Upstream: &u, Vitals: one.Vitals}
	}
	h := hosts(c, candidates)
	out, err := runtimes.DecodeFilter(seq(h...), candidates)
	if err != nil || len(out.KeptUpstreamIDs) != 300 {
		t.Errorf("kept %d of 300: %v", len(out.KeptUpstreamIDs), err)
	}
	if _, err := runtimes.DecodeFilter(seq(append(h, h[299])...), candidates); err == nil {
		t.Error("a candidate was kept twice")
	}
}

func TestDroppingAsksAboutEachCandidate(t *testing.T) {
	_, candidates := three(t)
	answers := []runtimes.Value{str("full"), nothing, str("slow")}
	out, err := runtimes.Dropping(candidates, func(i int) (runtimes.Value, error) { return answers[i], nil })
	if err != nil || len(out.KeptUpstreamIDs) != 1 || out.KeptUpstreamIDs[0] != candidates[1].ID || out.Reason != "full" {
		t.Errorf("got %+v, %v", out, err)
	}
	if r := out.PerCandidateReasons; len(r) != 2 || r[0].Reason != "full" || r[1].Reason != "slow" || r[1].UpstreamID != candidates[2].ID || r[0].Kept {
		t.Errorf("got the reasons %+v", r)
	}
	boom := errors.New("boom")
	if _, err := runtimes.Dropping(candidates, func(int) (runtimes.Value, error) { return nothing, boom }); err != boom {
		t.Errorf("got %v, want the error of the call", err)
	}
	f := func(v runtimes.Value, want string) {
		t.Helper()
		_, err := runtimes.Dropping(candidates, func(int) (runtimes.Value, error) { return v, nil })
		if got := outputError(t, err); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(runtimes.OfBool(false), "shape: drop returned the bool false, want a reason or nothing")
	f(str(""), `shape: drop returned "", want a reason or nothing`)
}

func TestWhatARouterReturned(t *testing.T) {
	c, candidates := three(t)
	h := hosts(c, candidates)
	for i, v := range []runtimes.Value{h[0], str(candidates[1].ID.String()), h[2]} {
		d, err := runtimes.DecodeRoute(v, candidates)
		if err != nil || d.UpstreamID != candidates[i].ID || d.Upstream != candidates[i].Upstream {
			t.Errorf("%d: got %+v, %v", i, d, err)
		}
	}
	f := func(v runtimes.Value, want string) {
		t.Helper()
		_, err := runtimes.DecodeRoute(v, candidates)
		if got := outputError(t, err); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(nothing, "shape: route returned nothing, want a candidate of this request")
	f(seq(h[0]), "shape: route returned a list, want a candidate of this request")
	f(str("a"), `unknown: route returned "a", want a candidate or its id, and not its name`)
}

func TestHooksThatHaveNothingToSay(t *testing.T) {
	if err := runtimes.DecodeNothing("shape", nothing); err != nil {
		t.Error(err)
	}
	if got := outputError(t, runtimes.DecodeNothing("observe", num(1))); got != "shape: observe returned the number 1, want nothing" {
		t.Error(got)
	}
}

func TestWhatNormalizeErrorReturned(t *testing.T) {
	f := func(v runtimes.Value, want string) {
		t.Helper()
		n, err := runtimes.DecodeNormalized(&runtimes.Call{}, v)
		got := "nil"
		switch {
		case err != nil:
			got = outputError(t, err)
		case n != nil:
			got = fmt.Sprintf("%d %s", n.Status, n.Body)
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(nothing, "nil")
	f(str("text"), "0 text")
	f(obj(key("error", obj(key("type", str("x"))))), `0 {"error":{"type":"x"}}`)
	f(obj(), "shape: normalize_error returned no body, want one beside the status")
	f(obj(key("stat", num(503))), `shape: normalize_error returned a map with the key "stat", want status`)
	f(obj(key("status", num(503)), key("bdoy", str("x"))), `shape: normalize_error returned a map with the key "bdoy", want body`)
	f(obj(key("errors", str("x"))), `shape: normalize_error returned a map with the key "errors", want error`)
	f(obj(key("something", str("x"))),
		`shape: normalize_error returned a map with the key "something", want status, body, type, error`)
	f(obj(key("type", str("error")), key("something", str("x"))), `0 {"type":"error","something":"x"}`)
	f(obj(key(badKey, str("x"))), "shape: normalize_error returned a map with a key that is a bool, want a string")
	f(obj(key("status", num(529)), key("body", str("text"))), "529 text")
	f(obj(key("status", runtimes.OfFloat(500)), key("body", seq(num(1)))), "500 [1]")
	f(obj(key("body", obj(key("a", num(1))))), `0 {"a":1}`)
	f(obj(key("status", num(529)), key("body", str("text")), key("type", str("x"))), `0 {"status":529,"body":"text","type":"x"}`)
	f(obj(key("status", num(399)), key("body", str(""))),
		"shape: normalize_error returned the number 399 as the status, want 400 to 599")
	f(obj(key("status", str("500")), key("body", str(""))), `shape: normalize_error returned "500" as the status, want 400 to 599`)
	f(obj(key("status", num(500))), "shape: normalize_error returned no body, want one beside the status")
	f(obj(key("body", runtimes.OfOwn(1))),
		"shape: normalize_error returned a body that cannot be written: a function cannot be written as JSON")
	f(num(5), "shape: normalize_error returned the number 5, want a body, or {status, body}, or nothing")
}

func TestDecodingAFilterAllocatesItsIDsAlone(t *testing.T) {
	c, candidates := three(t)
	kept := seq(hosts(c, candidates)...)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := runtimes.DecodeFilter(kept, candidates); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("%v allocations, want 1", n)
	}
}
