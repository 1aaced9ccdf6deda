package proxy

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"sluice/engine"
)

// dated is a keyring of two keys, of which one ends.
type dated struct{ ends time.Time }

func (d dated) Lookup(key string, now time.Time) (engine.Grant, error) {
	switch key {
	case "k-1":
		return engine.Grant{Principal: &engine.Principal{Name: "alice", Paths: []string{"*"}}, KeyID: "1"}, nil
	case "k-2":
		grant := engine.Grant{Principal: &engine.Principal{Name: "bob", Paths: []string{"*"}}, KeyID: "2", Expires: d.ends}
		if now.Before(d.ends) {
			return grant, nil
		}
		return grant, refuse(engine.CodeBadKey, "the key has expired")
	}
	return engine.Grant{}, refuse(engine.CodeBadKey, "the key is not known")
}

// told is all that follows of a head, to compare.
func told(t *testing.T, s *Server, g *engine.Generation, raw string, now time.Time) (h *head, text string) {
	t.Helper()
	var req fasthttp.RequestHeader
	req.DisableNormalizing()
	if err := req.Read(bufio.NewReader(strings.NewReader(raw))); err != nil {
		return nil, "not read"
	}
	h, refusal := s.judge(g, &req, now)
	principal, shown := "", fmt.Sprintf("%q", h.shown)
	if h.principal != nil {
		principal = h.principal.Name
	}
	return h, fmt.Sprintln(h.method, h.wire, h.asked, h.path, h.query, h.model, shown, h.session, h.clientID, h.key, principal, h.keyID,
		h.client.Reveal(), refusal)
}

// Whatever heads came before, in whatever order, the next one says what it says to a server that remembers none.
func TestAHeadIsRecalledForItsOwnBytesOnly(t *testing.T) {
	start := time.Now()
	keys := dated{start.Add(time.Hour)}
	firsts := []string{"POST /v1/messages", "POST /v1/messages?beta=true", "POST /v1/messages?", "PUT /v1/messages", "GET /v1/models", "POST /model/m/invoke"}
	lines := []string{"Content-Length: 1", "Content-Length: 12", "content-length:7", "Content-Length: 3 ", "x-length: 1", "x-length: 2", "X-Length: 2",
		"x-api-key: k-1", "x-api-key: k-2", "X-Api-Key: k-1", "x-sluice-key: k-1", "x-sluice-key: k-2", "authorization: Bearer k-2", "request-id: r1",
		"request-id: r2", "connection: x-length", "content-encoding: br", "content-encoding: identity", "content-length-x: 4", "content-length-x: 5", "x-content-length: 4", "x-content-length: 5"}
	server, remembered := &Server{}, 0
	rng := rand.New(rand.NewPCG(1, 2))
	var recent []string
	for range 20_000 {
		raw := ""
		if len(recent) > 0 && rng.IntN(3) > 0 {
			raw = recent[rng.IntN(len(recent))]
		} else {
			raw = firsts[rng.IntN(len(firsts))] + " HTTP/1." + fmt.Sprint(rng.IntN(2)) + "\r\nhost: h\r\n"
			for range 1 + rng.IntN(4) {
				raw += lines[rng.IntN(len(lines))] + "\r\n"
			}
			raw += "\r\n"
			recent = append(recent[max(0, len(recent)-7):], raw)
		}
		if i := strings.Index(raw, "Content-Length: "); i >= 0 && rng.IntN(2) == 0 {
			rest := strings.TrimLeft(raw[i+len("Content-Length: "):], "0123456789")
			raw = raw[:i] + "Content-Length: " + fmt.Sprint(rng.IntN(2000)) + rest
		}
		if rng.IntN(4) == 0 {
			raw = strings.Replace(raw, "-length: 4", "-length: 5", 1)
		}
		if rng.IntN(8) == 0 {
			raw = strings.Replace(raw, "HTTP/1.1", "HTTP/1.2", 1)
		}
		g := &engine.Generation{Number: uint64(rng.IntN(2)), Keys: keys}
		now := start.Add(time.Duration(rng.IntN(2)) * 2 * time.Hour)
		got, gotText := told(t, server, g, raw, now)
		_, want := told(t, &Server{}, g, raw, now)
		if gotText != want {
			t.Fatalf("%q\nafter others: %s\nby itself:    %s", raw, gotText, want)
		}
		if again, _ := told(t, server, g, raw, now); again != nil && again == got {
			remembered++
		}
	}
	if remembered < 1000 {
		t.Errorf("%d heads of 20,000 were recalled, want many", remembered)
	}
}

// What is remembered is bounded, and of one generation.
func TestHeadsOfAnOlderGenerationAreForgotten(t *testing.T) {
	s := &Server{}
	raw := "POST /v1/messages HTTP/1.1\r\nhost: h\r\nx-api-key: k-1\r\ncontent-length: 1\r\n\r\n"
	heads := func(g uint64) *head {
		h, _ := told(t, s, &engine.Generation{Number: g, Keys: dated{}}, raw, time.Now())
		return h
	}
	heads(1)
	if first := heads(1); first != heads(1) {
		t.Error("a head that came twice was not recalled")
	}
	heads(2)
	if s.heads.of.Load().gen == 1 {
		t.Error("the heads of generation 1 are remembered while 2 serves")
	}
	if old := heads(1); old == heads(1) {
		t.Error("a head was recalled by a generation that was replaced")
	}
}
