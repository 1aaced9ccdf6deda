package starlark

import (
	"testing"

	"sluice/engine"
	"sluice/runtimes"

	sky "go.starlark.net/starlark"
)

// No script can keep a host value today, since nothing that it writes to outlives its call: this is tested from inside.
func TestAHostValueAnswersNothingAfterItsCall(t *testing.T) {
	rt := New()
	c := &runtimes.Call{Request: runtimes.SampleRequest(), Now: runtimes.SampleNow()}
	r := rt.begin(c, "s.star", engine.Budget{}, leftover{})
	ctx := newObject(c, runtimes.TypeCtx, c).(*object)
	headers, err := ctx.Attr("headers")
	if err != nil {
		t.Fatal(err)
	}
	random, err := ctx.Attr("random")
	if err != nil {
		t.Fatal(err)
	}
	rt.end(r)
	f := func(what, want string, err error) {
		t.Helper()
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", what, err, want)
		}
	}
	_, err = ctx.Attr("model")
	f("a field", "ctx was kept from an earlier call", err)
	f("an assignment", "ctx was kept from an earlier call", ctx.SetField("model", sky.None))
	_, _, err = headers.(*openObject).Get(sky.String("accept"))
	f("a header", "headers was kept from an earlier call", err)
	next := rt.begin(&runtimes.Call{}, "s.star", engine.Budget{}, leftover{})
	_, err = sky.Call(&next.thread, random, nil, nil)
	f("a method", "ctx was kept from an earlier call", err)
}
