package proxy_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"sluice/engine"
)

func TestTheListOfModelsIsCutToThePrincipals(t *testing.T) {
	const list = `{"data":[{"type":"model","id":"claude-a","x": 1},{"id":"gpt"}, {"id":"claude-b"},{"id":7}],"has_more":true,"first_id":"claude-a","last_id":"zzz"}`
	p := plays(t, func(s *stage) {
		for {
			req, more := s.next()
			switch {
			case !more:
				return
			case strings.Contains(req, "odd"):
				s.say(ok("no list"))
			case strings.Contains(req, "fails"):
				s.say(strings.Replace(ok(list), "200", "500", 1))
			case strings.Contains(req, "models/"):
				s.say(ok(`{"id":"it"}`))
			default:
				s.say(ok(list, "request-id: r"))
			}
		}
	})
	r := newRig(t, p.upstream("a"))
	ask := func(path string) reply {
		t.Helper()
		return r.do(request("GET", path, "", "x-api-key: alice-key"))
	}
	r.start()
	want(t, "without an allow-list", ask("/v1/models").body, list)
	r.alice.Models = []string{"claude-*"}
	got := ask("/v1/models?limit=1000")
	want(t, "cut", got.body, `{"data":[{"type":"model","id":"claude-a","x": 1},{"id":"claude-b"}],"has_more":true,"first_id":"claude-a","last_id":"claude-b"}`)
	want(t, "request-id", got.Header.Get("request-id"), "r")
	want(t, "an error", ask("/v1/models?fails").body, list)
	want(t, "no list", ask("/v1/models?odd").code(), "502 upstream_unreachable")
	want(t, "one", ask("/v1/models/claude-a").body, `{"id":"it"}`)
	want(t, "another's", ask("/v1/models/gpt").code(), "403 model_not_allowed")
	r.alice.Models = []string{"x"}
	want(t, "none", ask("/v1/models").body, `{"data":[],"has_more":true,"first_id":"claude-a","last_id":"zzz"}`) // null would lead nowhere
	r.ledger.wait(t, 7)
}

// TestAPageThatNothingIsLeftOfIsPassedOver: the clients' libraries stop at an empty page, whatever it says of more.
func TestAPageThatNothingIsLeftOfIsPassedOver(t *testing.T) {
	models := []string{"a0", "a1", "b0", "b1", "c0"} // two a page
	page := func(q url.Values) string {
		begin, end := 0, 2
		if i := slices.Index(models, q.Get("after_id")); i >= 0 {
			begin, end = i+1, min(i+3, len(models))
		}
		more := end < len(models)
		if i := slices.Index(models, q.Get("before_id")); i >= 0 {
			begin, end, more = i-2, i, i > 2
		}
		ids := models[begin:end]
		return fmt.Sprintf(`{"data":[{"id":"%s"}],"has_more":%t,"first_id":"%s","last_id":"%s"}`, strings.Join(ids, `"},{"id":"`), more, ids[0], ids[len(ids)-1])
	}
	p := plays(t, func(s *stage) {
		for req, more := s.next(); more; req, more = s.next() {
			target, _ := url.Parse(strings.Fields(req)[1])
			if q := target.Query(); q.Has("fails") && q.Get("after_id") == "b1" {
				s.say(strings.Replace(ok(`{"type":"error"}`), "200", "500", 1))
			} else {
				s.say(ok(page(q)))
			}
		}
	})
	r := newRig(t, p.upstream("a"))
	r.alice.Models = []string{"c*"}
	r.start()
	ask := func(query string) string {
		t.Helper()
		return r.do(request("GET", "/v1/models"+query, "", "x-api-key: alice-key")).body
	}
	want(t, "the third", ask("?limit=2&beta=true"), `{"data":[{"id":"c0"}],"has_more":false,"first_id":"c0","last_id":"c0"}`)
	want(t, "asked", strings.Join(targets(p), " "), "/v1/models?limit=2&beta=true /v1/models?after_id=a1&beta=true&limit=2 /v1/models?after_id=b1&beta=true&limit=2")
	want(t, "an error", ask("?fails"), `{"type":"error"}`)
	r.alice.Models = []string{"a*"}
	want(t, "backwards", ask("?before_id=c0"), `{"data":[{"id":"a0"},{"id":"a1"}],"has_more":false,"first_id":"a0","last_id":"a1"}`)
	want(t, "nothing more", ask("?after_id=a1"), `{"data":[],"has_more":false,"first_id":null,"last_id":null}`)
	want(t, "the query of a row", r.ledger.wait(t, 4)[0].Inputs.Query, "limit=2&beta=true")
}

// TestThePagesOfAListComeFromOneUpstream: another does not know where the first one's ended.
func TestThePagesOfAListComeFromOneUpstream(t *testing.T) {
	lists := func(name string) *play {
		return plays(t, func(s *stage) {
			for req, more := s.next(); more; req, more = s.next() {
				if strings.Contains(req, "after_id="+name+"1") {
					s.say(ok(`{"data":[{"id":"c0"}],"has_more":false,"first_id":"c0","last_id":"c0"}`))
				} else if strings.Contains(req, "after_id") {
					s.say(strings.Replace(ok(`{"type":"error"}`), "200", "400", 1))
				} else {
					s.say(ok(`{"data":[{"id":"` + name + `1"}],"has_more":true,"first_id":"` + name + `1","last_id":"` + name + `1"}`))
				}
			}
		})
	}
	a, b := lists("a"), lists("b")
	r := newRig(t, a.upstream("a"), b.upstream("b"))
	r.gen.Strategy, _ = engine.NewStrategy("round-robin", 0)
	filtered := 0
	r.filter(func(_ *engine.RequestContext, _ *engine.Principal, c []engine.UpstreamCandidate) (engine.FilterOutput, error) {
		filtered++
		return keepAll(c), nil
	})
	r.alice.Models = []string{"c*"}
	r.start()
	for range 4 {
		want(t, "list", r.do(request("GET", "/v1/models", "", "x-api-key: alice-key")).body, `{"data":[{"id":"c0"}],"has_more":false,"first_id":"c0","last_id":"c0"}`)
	}
	want(t, "asked", fmt.Sprint(len(a.requests())%2, len(a.requests())+len(b.requests()), filtered), "0 8 4")
	want(t, "stages", len(r.ledger.wait(t, 4)[0].Trace.Stages), 1)
}

func TestPagesThatHoldNothingAreNotAskedForEver(t *testing.T) {
	n := 0
	p := plays(t, func(s *stage) {
		for _, more := s.next(); more; _, more = s.next() {
			n++
			s.say(ok(fmt.Sprintf(`{"data":[],"has_more":true,"first_id":null,"last_id":"m%d"}`, n)))
		}
	})
	r := newRig(t, p.upstream("a"))
	r.alice.Models = []string{"x"}
	got := r.start().do(request("GET", "/v1/models", "", "x-api-key: alice-key"))
	want(t, "answer", got.body, `{"data":[],"has_more":true,"first_id":null,"last_id":"m20"}`)
	want(t, "requests", len(p.requests()), 20)
}

// targets are what was asked for so far.
func targets(p *play) (all []string) {
	for _, r := range p.requests() {
		all = append(all, strings.Fields(r)[1])
	}
	return all
}

func TestModelsComeFromTheConfigWhereNoUpstreamServesThem(t *testing.T) {
	u, hidden := upstream("a", "https://bedrock-runtime.us-east-1.amazonaws.com"), upstream("b", "https://vertex.example")
	u.Kind, hidden.Kind = engine.KindBedrockRuntime, engine.KindVertex
	u.Models, hidden.Models = map[string]string{"claude-b": "x", "claude-a": "y", "other": "z"}, map[string]string{"claude-hidden": "x"}
	r := newRig(t, u, hidden)
	r.alice.Models = []string{"claude-*", "claude-literal"}
	r.alice.Upstreams = map[uuid.UUID]bool{u.ID: true}
	r.start()
	ask := func(method, path string) reply {
		t.Helper()
		return r.do(request(method, path, "", "x-api-key: alice-key"))
	}
	model := func(id string) string {
		return `{"type":"model","id":"` + id + `","display_name":"` + id + `","created_at":"1970-01-01T00:00:00Z"}`
	}
	got := ask("GET", "/v1/models")
	want(t, "list", got.body, `{"data":[`+model("claude-a")+","+model("claude-b")+","+model("claude-literal")+`],"has_more":false,"first_id":"claude-a","last_id":"claude-literal"}`)
	want(t, "content-type", got.Header.Get("content-type"), "application/json")
	for query, page := range map[string]string{
		"limit=1000":                         got.body,
		"limit=1":                            `{"data":[` + model("claude-a") + `],"has_more":true,"first_id":"claude-a","last_id":"claude-a"}`,
		"limit=1&after_id=claude-a":          `{"data":[` + model("claude-b") + `],"has_more":true,"first_id":"claude-b","last_id":"claude-b"}`,
		"after_id=claude-b":                  `{"data":[` + model("claude-literal") + `],"has_more":false,"first_id":"claude-literal","last_id":"claude-literal"}`,
		"after_id=claude-literal":            `{"data":[],"has_more":false,"first_id":null,"last_id":null}`,
		"limit=1&before_id=claude-literal":   `{"data":[` + model("claude-b") + `],"has_more":true,"first_id":"claude-b","last_id":"claude-b"}`,
		"limit=20&before_id=claude-b&beta=1": `{"data":[` + model("claude-a") + `],"has_more":false,"first_id":"claude-a","last_id":"claude-a"}`,
	} {
		want(t, query, ask("GET", "/v1/models?"+query).body, page)
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=", "limit=x", "a=%zz"} {
		want(t, query, ask("GET", "/v1/models?"+query).code(), "400 bad_request")
	}
	want(t, "one", ask("GET", "/v1/models/claude-b").body, model("claude-b"))
	head := ask("HEAD", "/v1/models")
	want(t, "the head alone", head.StatusCode, 200)
	want(t, "its length", head.ContentLength, int64(len(got.body)))
	want(t, "unknown", ask("GET", "/v1/models/claude-hidden").code(), "404 path_not_served")
	want(t, "not allowed", ask("GET", "/v1/models/other").code(), "403 model_not_allowed")
	want(t, "another method", ask("DELETE", "/v1/models/claude-b").code(), "404 path_not_served")
	want(t, "another path", ask("GET", "/v1/files").code(), "404 path_not_served")
	r.ledger.wait(t, 19)
}

func TestModelsComeFromTheConfigWhereTheClientHasNoCredentialOfItsOwn(t *testing.T) {
	u := upstream("a", "https://api.example")
	r := newRig(t, u)
	r.gen.Upstreams[0].ForwardsClient = true
	u.Models = map[string]string{"claude-a": "x"}
	r.start()
	ask := func() reply {
		t.Helper()
		return r.do(request("GET", "/v1/models", "", "x-api-key: alice-key"))
	}
	if got := ask(); got.StatusCode != 200 || !strings.Contains(got.body, `"first_id":"claude-a"`) {
		t.Errorf("got %d %s, want claude-a", got.StatusCode, got.body)
	}
	u.Models = nil
	want(t, "where none is known", ask().code(), "401 bad_key")
	r.ledger.wait(t, 2)
}
