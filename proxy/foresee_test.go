package proxy_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/engine/promptcache"
)

func TestAFilterSeesWhereAPromptIsWarm(t *testing.T) {
	a := plays(t, answers(ok(`{"usage":{"input_tokens":3,"output_tokens":7,"cache_creation_input_tokens":500}}`))).upstream("a")
	b := plays(t, answers(ok(`{}`))).upstream("b")
	r := newRig(t, a, b)
	r.options.Caches = promptcache.New()
	seen := make(chan string, 3)
	r.filter(func(ctx *engine.RequestContext, _ *engine.Principal, c []engine.UpstreamCandidate) (engine.FilterOutput, error) {
		seen <- fmt.Sprint(ctx.Forecast.ReadTokens(a.ID), ctx.Forecast.ReadTokens(b.ID))
		return engine.FilterOutput{KeptUpstreamIDs: []uuid.UUID{a.ID}}, nil
	})
	r.start()
	body := `{"model":"claude-x","max_tokens":64,"messages":[{"role":"user","content":[{"type":"text","text":"hello","cache_control":{"type":"ephemeral"}}]}]}`
	for _, want := range []string{"0 0", "500 0"} {
		r.do(post("/v1/messages", body))
		if got := <-seen; got != want {
			t.Errorf("the filter sees %s, want %s", got, want)
		}
	}
}
