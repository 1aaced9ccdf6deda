package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"sluice/engine"
)

func TestAnAccountsThingIsNamedByItsPath(t *testing.T) {
	f := func(path, id, rest string) {
		t.Helper()
		if gotID, gotRest := engine.AccountObject(path); gotID != id || gotRest != rest {
			t.Errorf("%s: %q and %q, want %q and %q", path, gotID, gotRest, id, rest)
		}
	}
	f("/v1/files", "", "")
	f("/v1/files/", "", "")
	f("/v1/files/file_1", "file_1", "")
	f("/v1/files/file_1/content", "file_1", "content")
	f("/v1/messages/batches", "", "")
	f("/v1/messages/batches/msgbatch_1", "msgbatch_1", "")
	f("/v1/messages/batches/msgbatch_1/results", "msgbatch_1", "results")
	f("/v1/skills/skill_1/versions/2", "skill_1", "versions/2")
	f("/other/file_1", "", "")
}

// noted are bindings in memory.
type noted map[string]engine.Binding

func (n noted) Lookup(id string) (engine.Binding, bool) { b, ok := n[id]; return b, ok }
func (n noted) Bind(id string, b engine.Binding) error  { n[id] = b; return nil }
func (n noted) Forget(id string) error                  { delete(n, id); return nil }
func (n noted) Any() bool                               { return len(n) > 0 }

func principalNamed(name string, may ...*engine.Upstream) *engine.Principal {
	p := &engine.Principal{ID: name, Name: name, Paths: []string{"/v1/*"}}
	for _, u := range may {
		if p.Upstreams == nil {
			p.Upstreams = map[uuid.UUID]bool{}
		}
		p.Upstreams[u.ID] = true
	}
	return p
}

func TestWhatLivesInAnAccountIsReachedByItsMakerAlone(t *testing.T) {
	a, b, c := upstreamNamed("a"), upstreamNamed("b"), upstreamNamed("c")
	w := newWorld(t, a, b, c)
	alice, bob, carol := principalNamed("alice"), principalNamed("bob", a, b), principalNamed("carol", c)
	sharing := principalNamed("sharing", a)
	sharing.SharedObjects = true
	talks := principalNamed("talks", a, b)
	talks.Paths = []string{"/v1/messages"} // whose code may leave files all the same
	w.generation.Principals = []*engine.Principal{alice, bob, talks}
	w.generation.Bindings = noted{"file_a": {Principal: "alice", Upstream: a.ID}, "file_c": {Principal: "alice", Upstream: c.ID},
		"file_b": {Principal: "bob", Upstream: b.ID}}
	ask := func(p *engine.Principal, method, path, body string) string {
		t.Helper()
		x := &engine.Exchange{Principal: p, Request: &engine.RequestContext{Method: method, Path: path, Body: []byte(body)}}
		if body != "" {
			x.Request.Headers = engine.Headers{{Name: "anthropic-beta", Value: "x,files-api-2025-04-14"}}
		}
		found, err := w.generation.Candidates(x)
		var r *engine.Refusal
		if errors.As(err, &r) {
			return string(r.Code)
		}
		return names(found)
	}
	f := func(p *engine.Principal, method, path, want string) {
		t.Helper()
		if got := ask(p, method, path, ""); got != want {
			t.Errorf("%s: %s %s: %s, want %s", p.Name, method, path, got, want)
		}
	}
	const nobody = string(engine.CodePathNotServed)
	all := ask(alice, "POST", "/v1/messages", "")
	f(alice, "POST", "/v1/files", all) // made anywhere
	f(bob, "POST", "/v1/messages/batches", ask(bob, "POST", "/v1/messages", ""))
	f(alice, "GET", "/v1/files/file_a", "a") // where it was made
	f(alice, "GET", "/v1/files/file_a/content", "a")
	f(alice, "DELETE", "/v1/files/file_c", "c")
	f(bob, "GET", "/v1/files/file_b", "b")
	f(bob, "GET", "/v1/files/file_a", nobody) // another's
	f(sharing, "GET", "/v1/files/file_a", nobody)
	f(carol, "GET", "/v1/files/file_c", nobody)
	f(bob, "GET", "/v1/files/file_c", nobody)
	f(alice, "GET", "/v1/files/file_x", "c") // of unknown origin: only where nobody else could have made it
	f(bob, "GET", "/v1/files/file_x", nobody)
	f(sharing, "GET", "/v1/files/file_x", "a")
	f(alice, "GET", "/v1/files", "c") // bob reaches a and b
	f(bob, "GET", "/v1/files", nobody)
	f(sharing, "GET", "/v1/files", "a")
	f(alice, "GET", "/v1/models/claude-x", all)
	f(alice, "GET", "/v1/organizations/me", nobody)
	f(sharing, "GET", "/v1/organizations/me", "a")
	talks.Upstreams = nil
	f(alice, "GET", "/v1/files", nobody)
	talks.Upstreams = map[uuid.UUID]bool{a.ID: true}
	f(alice, "GET", "/v1/files", "c")
	w.generation.Principals = append(w.generation.Principals, carol)
	f(alice, "GET", "/v1/files", nobody)

	g := func(body, want string) {
		t.Helper()
		if got := ask(alice, "POST", "/v1/messages", body); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	file := func(id string) string { return fmt.Sprintf(`{"source":{"type":"file", "file_id" : "%s"}}`, id) }
	g(file("file_a"), "a")
	g(file("file_b"), nobody)
	g(file("file_x"), all)
	g(file("file_a")+file("file_c"), nobody) // no account has both
	g(file("file_x")+file("file_c")+file("file_c"), "c")
	g(`{"text":"\"file_id\":\"file_c\" \"file_id\":"}`, all)
	g(`{"file_id"}"file_id":7,"file_id":"`, all)
	g(`{"file\u005fid":"file_b"}`, nobody)
	g(`{"file_id":"file\u005fb"}`, nobody)
	g(`{"\u0066ile_id" :"file\u005Fa"}`, "a")
	g(`{"container":"file_b"}`, nobody)
	g(`{"container":{"id":"file_c","skills":[{"type":"custom","skill_id":"file_c"}]}}`, "c")
	g(`{"container":{"skills":[{"type":"custom","skill_id":"file_b"}]}}`, nobody)
	g(`{"container":{"skills":[]},"content":[{"id":"file_x"}]}`, all)
	g(`{"container":{"id":null,"id":"file_b"}}`, nobody)
	g(`{"container":{"id":"file_x","id":"file_b"}}`, nobody)
	g(`{"container":{"skills":[{"id":"x"}],"skills":[],"id":"file_b"}}`, nobody)
	g(`{"c\u006fntainer":{"\u0069d":"file_b"}}`, nobody)
	g(`{"id":"file_b","input":{"agent":"file_b","path":"file_b"}}`, all) // of a message's part, say
	// What a tool is given is data.
	for _, input := range []string{`{"file_id":"file_b"}`, `{"a":[{"x":"}\""},{"container":{"id":"file_b"}}]}`, `["]",{"file_id":"file_b"}]`, `7`, `"{"`} {
		g(`{"input":`+input+`}`, all)
		g(`{"input": `+input+`,"file_id":"file_b"}`, nobody)
	}
	g(`{"inp\u0075t":[{"file_id":"file_a"}]}`, all)
	g(`{"input":{"file_id":"file_b"`, all)
	g(`{"x":"\u00e9","metadata":{"user_id":"file_b"},"`+strings.Repeat("\\u0061", 100)+`":"file_b"}`, all)
	for path, want := range map[string]string{"/v1/sessions": "a", "/v1/sessions/file_a/resources": "a", "/v1/sessions/file_c/resources": nobody} {
		if got := ask(alice, "POST", path, `{"agent":"file_a","resources":[{"type":"file","file_id":"file_a"}]}`); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
		for _, body := range []string{file("file_b"), `{"vault_ids":["vlt_1","file_b"]}`, `{"memory_store_id":"\u0066ile_b"}`, `["file_b"]`} {
			if got := ask(alice, "POST", path, body); got != nobody {
				t.Errorf("%s with %s: %s, want %s", path, body, got, nobody)
			}
		}
		if got := ask(alice, "POST", path, "\xff\xfe\"\x00"); got != string(engine.CodeBadBody) {
			t.Errorf("%s in UTF-16: %s, want %s", path, got, engine.CodeBadBody)
		}
	}
	upload := &engine.Exchange{Principal: alice, Request: &engine.RequestContext{Method: "POST", Path: "/v1/files", Body: []byte(file("file_b")),
		Headers: engine.Headers{{Name: "Content-Type", Value: "multipart/form-data; boundary=x"}, {Name: "anthropic-beta", Value: "files-api-2025-04-14"}}}}
	if found, err := w.generation.Candidates(upload); err != nil || names(found) != all {
		t.Errorf("a file that is uploaded: %s, %v, want %s", names(found), err, all)
	}
	for _, path := range []string{"/v1/sessions", "/v1/messages"} { // what a header says of a body changes nothing
		upload.Request.Path = path
		if _, err := w.generation.Candidates(upload); err == nil {
			t.Errorf("%s: a body that is said to be an upload names the file of another", path)
		}
	}
	if got := ask(alice, "POST", "/v1/messages/batches", `{"requests":[{"params":`+file("file_b")+`}]}`); got != nobody {
		t.Errorf("a batch with the file of another: %s, want %s", got, nobody)
	}
}
