package starlark_test

import (
	"runtime"
	"testing"

	"sluice/engine"
)

// What a script keeps of an attempt holds nothing else: neither the long texts that it was cut out of, nor the room that a table once had.
func TestWhatIsKeptHoldsNothingElse(t *testing.T) {
	const most = 8 << 20
	f := func(body, want string) {
		t.Helper()
		ups := upstreams(1)
		d := dialectOf(t, "def transform_event(ctx, event, state):\n    "+body+"\n", ups).(engine.AnswerDialect)
		var s engine.State
		before := inUse()
		for range 20 {
			if _, err := d.TransformEvent(small(), &s, engine.StreamEvent{Data: []byte("{}")}); err != nil {
				t.Fatal(err)
			}
		}
		if held := inUse() - before; held > most {
			t.Errorf("%s: %d MiB are held", body, held>>20)
		}
		d = dialectOf(t, "def transform_event(ctx, event, state):\n    return [{\"data\": state}]\n", ups).(engine.AnswerDialect)
		if out, err := d.TransformEvent(small(), &s, engine.StreamEvent{Data: []byte("{}")}); err != nil || string(out[0].Data) != want {
			t.Errorf("%s: kept %s, %v, want %s", body, out[0].Data, err, want)
		}
	}
	f(`s = state.setdefault("s", []); s.append(("x" * 4000000)[:1])`, `{"s":["x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x"]}`)
	f(`state["s"] = re.find("y", "x" * 400000 + "y")`, `{"s":["y"]}`)
	f(`l = [("x" * 4000000)[:1]]; state["a"] = l; state["b"] = l; state["a"].append(1)`, `{"a":["x",1],"b":["x",1]}`)
	f(`state["d"] = {i: i for i in range(100000)}; state["d"].clear()`, `{"d":{}}`)
	f(`state["t"] = (1, ("x" * 4000000)[1:3], {"k": None})`, `{"t":[1,"xx",{"k":null}]}`)
}

// inUse is how many bytes are in use.
func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
