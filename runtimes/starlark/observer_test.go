package starlark_test

import (
	"errors"
	"fmt"
	"testing"

	"sluice/engine"
	"sluice/runtimes/starlark"
)

func TestAnObserverSeesEvents(t *testing.T) {
	t.Parallel()
	var lines []string
	m := manifest(files{"s.star": "def observe(event):\n    if event.kind == \"error\":\n        event.nope\n" +
		"    log(\"%s %s %s %s\" % (event.kind, event.request_id, event.now_ms, event.status))\n"}, nil)
	m.Log = func(_ string, _ int, message string) { lines = append(lines, message) }
	o, err := starlark.New().InstantiateObservability(m)
	if err != nil {
		t.Fatal(err)
	}
	head := engine.EventHead{RequestID: "r-1", At: now}
	if err := o.Observe(engine.RequestFinished{EventHead: head, Status: 200}); err != nil {
		t.Fatal(err)
	}
	if want := "[request_finished r-1 1772366400000 200]"; fmt.Sprint(lines) != want {
		t.Errorf("got %v, want %s", lines, want)
	}
	err = o.Observe(engine.ErrorEvent{EventHead: head, Code: "x"})
	var failure *engine.ObservabilityError
	if !errors.As(err, &failure) || failure.Variant != engine.ObservabilityDropped || scriptError(t, err).Line != 3 {
		t.Errorf("got %v", err)
	}
}

func TestAnObserverAsksForChunksByName(t *testing.T) {
	t.Parallel()
	f := func(top string, want bool) {
		t.Helper()
		o, err := starlark.New().InstantiateObservability(manifest(files{"s.star": top + "\ndef observe(event):\n    pass\n"}, nil))
		if err != nil {
			t.Fatal(err)
		}
		wants := o.(interface{ Wants(string) bool }).Wants
		if wants("chunk") != want || !wants("request_finished") {
			t.Errorf("%q: wants chunk %v, request_finished %v", top, wants("chunk"), wants("request_finished"))
		}
	}
	f("", false)
	f("plugin = {\"name\": \"x\"}", false)
	f("plugin = {\"events\": []}", false)
	f("plugin = {\"events\": (\"chunk\",)}", true)
	f("plugin = 7", false)
}
