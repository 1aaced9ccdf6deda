package conformance_test

import (
	"errors"
	"strings"
	"testing"

	"sluice/engine"
	"sluice/runtimes"
)

// What a hook returns is written while its call still runs: a small value that stands for a large text spends the call's budget, and is no
// invalid output.
func TestABudgetIsSpentByWhatIsReturned(t *testing.T) {
	nested := written{
		".star": "def large():\n    x = [1, 2, 3, 4, 5, 6, 7, 8]\n    for i in range(7):\n        x = [x, x, x, x, x, x, x, x]\n    return x\n" +
			"def transform_event(ctx, event, state):\n    return [{\"data\": large()}]\n" +
			"def transform_response(ctx, response):\n    return {\"body\": large()}\n" +
			"def normalize_error(status, body):\n    return {\"body\": large()}\n",
		".lua": "local function large()\n  local x = { 1, 2, 3, 4, 5, 6, 7, 8 }\n  for i = 1, 7 do x = { x, x, x, x, x, x, x, x } end\n  return x\nend\n" +
			"function transform_event(ctx, event, state)\n  return { { data = large() } }\nend\n" +
			"function transform_response(ctx, response)\n  return { body = large() }\nend\n" +
			"function normalize_error(status, body)\n  return { body = large() }\nend\n",
	}
	for _, lang := range languages() {
		d, err := lang.InstantiateDialect(manifest(lang, nested))
		if err != nil {
			t.Fatal(err)
		}
		answers := d.(engine.AnswerDialect)
		state := &engine.State{}
		_, event := answers.TransformEvent(runtimes.SampleRequest(), state, engine.StreamEvent{Name: "x", Data: []byte("{}")})
		_, response := answers.TransformResponse(runtimes.SampleRequest(), state, &engine.Reply{Status: 200, Body: []byte("{}")})
		_, normalized := d.NormalizeError(500, nil, []byte("{}"))
		for hook, err := range map[string]error{"transform_event": event, "transform_response": response, "normalize_error": normalized} {
			var output *engine.OutputError
			if e := scriptError(t, err); e.Budget != "steps" || !strings.Contains(e.Message, "budgets.steps") || e.Line == 0 || errors.As(err, &output) {
				t.Errorf("%s%s: got %v with the budget %q, want a spent budget", hook, lang.Extension(), err, e.Budget)
			}
		}
	}
}
