package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Bindings remember in which account the things live that clients made through the gateway: files, batches and their kin. They outlive
// the process. Calls come from many goroutines.
type Bindings interface {
	// Lookup returns who made the thing with an id, and where.
	Lookup(id string) (Binding, bool)
	// Any reports whether anything is remembered. It does not block.
	Any() bool
	// Bind remembers a new thing. It is durable once Bind returns; with an error it is known to this process alone.
	Bind(id string, b Binding) error
	// Forget takes note that a thing is gone. An error is as with Bind.
	Forget(id string) error
}

// Binding is a principal's id and the upstream in whose account it made something.
type Binding struct {
	Principal string
	Upstream  uuid.UUID
}

// AccountBound reports whether what a path names lives in one account: files, batches and their kin.
func AccountBound(path string) bool {
	switch path {
	case "/v1/messages", "/v1/messages/count_tokens", "/v1/complete":
		return false
	}
	return !pathBelow(path, "/v1/models")
}

// AccountObject returns the id of the thing that an account-bound path names, "" = none, and what the path says after it.
func AccountObject(path string) (id, rest string) {
	const batches = "/v1/messages/batches"
	below := ""
	if pathBelow(path, batches) {
		below = path[len(batches):]
	} else if _, after, ok := strings.Cut(strings.TrimPrefix(path, "/v1/"), "/"); ok && strings.HasPrefix(path, "/v1/") {
		below = after
	}
	id, rest, _ = strings.Cut(strings.TrimPrefix(below, "/"), "/")
	return id, rest
}

// Creates reports whether a request makes a new thing in an account, whose id its answer tells.
func (r *RequestContext) Creates() bool {
	id, _ := AccountObject(r.Path)
	return r.Method == "POST" && id == "" && AccountBound(r.Path) && !accountPath(r.Path)
}

// inAccount leaves of the candidates those in whose accounts the request may look. An error is a *Refusal.
func (g *Generation) inAccount(x *Exchange, c []UpstreamCandidate) ([]UpstreamCandidate, error) {
	r := x.Request
	id, _ := AccountObject(r.Path)
	bound, known := g.binding(id)
	switch {
	case known:
		return g.where(x, c, id, bound)
	case r.Creates():
		return c, nil
	case !accountPath(r.Path):
		c = g.shared(x, c)
	}
	switch {
	case len(c) == 0 && id != "":
		return nil, noObject(x, id)
	case len(c) == 0:
		return nil, &Refusal{Code: CodePathNotServed, Message: fmt.Sprintf(
			"%s lists what others keep there: principal %q shares every upstream, and has no shared_objects", r.Path, x.Principal.Name)}
	case len(c) > 1 && (id != "" || accountPath(r.Path)):
		return nil, &Refusal{Code: CodePathNotServed, Message: fmt.Sprintf(
			"%s names things that live in one account: principal %q reaches %d upstreams, want exactly one", r.Path, x.Principal.Name, len(c))}
	}
	return c, nil
}

func (g *Generation) binding(id string) (Binding, bool) {
	if g.Bindings == nil || id == "" {
		return Binding{}, false
	}
	return g.Bindings.Lookup(id)
}

// where leaves the candidate that holds a thing. Whoever did not make it does not learn that it is there.
func (g *Generation) where(x *Exchange, c []UpstreamCandidate, id string, b Binding) ([]UpstreamCandidate, error) {
	if b.Principal == x.Principal.ID {
		for i := range c {
			if c[i].ID == b.Upstream {
				return c[i : i+1 : i+1], nil
			}
		}
	}
	return nil, noObject(x, id)
}

func noObject(x *Exchange, id string) error {
	return &Refusal{Code: CodePathNotServed, Message: fmt.Sprintf("principal %q has nothing with the id %q", x.Principal.Name, Cut(id, MaxReason))}
}

// shared are the candidates whose accounts the principal may look through: all if the config says so, else those that nobody else
// reaches with such a request. An upstream that is signed with the client's own credential has an account of the client's.
func (g *Generation) shared(x *Exchange, c []UpstreamCandidate) []UpstreamCandidate {
	if x.Principal.SharedObjects {
		return c
	}
	out := make([]UpstreamCandidate, 0, len(c))
	for i := range c {
		if g.slot(c[i].ID).ForwardsClient || g.sole(x, c[i].ID) {
			out = append(out, c[i])
		}
	}
	return out
}

func (g *Generation) sole(x *Exchange, upstream uuid.UUID) bool {
	for _, p := range g.Principals {
		if p.ID != x.Principal.ID && p.MayUse(upstream) && p.MayAskPath(x.Request.Path) {
			return false
		}
	}
	return true
}

// withNamed leaves the candidate that holds the things which a body refers to. Those of unknown origin are the upstream's affair. A file that is
// uploaded may hold any text.
func (g *Generation) withNamed(x *Exchange, c []UpstreamCandidate) ([]UpstreamCandidate, error) {
	if g.Bindings == nil || !g.Bindings.Any() || !mayName(x.Request.Body) || HasFoldPrefix(x.Request.Headers.Get("content-type"), "multipart/") {
		return c, nil
	}
	for id := range named(x.Request.Body) {
		if b, known := g.binding(id); known {
			left, err := g.where(x, c, id, b)
			if err != nil {
				return nil, err
			}
			c = left
		}
	}
	return c, nil
}

// naming are the keys by which bodies refer to things that live in an account: to files, skills, the containers in which code ran, and what
// sessions of agents are made of. Where one of them has an object, that has the id.
var naming = []string{"file_id", "skill_id", "container", "agent", "environment_id", "id"}

// mayName is false for most bodies, at little cost. No other escape stands for a letter of a key.
func mayName(body []byte) bool {
	return bytes.Contains(body, []byte(`\u00`)) || slices.ContainsFunc(naming[:len(naming)-1], func(key string) bool {
		return bytes.Contains(body, []byte(`"`+key+`"`))
	})
}

// named finds the texts behind all these keys, however they are written: with escapes, as another parser would read them.
func named(body []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			key, rest := nextText(body)
			if key == nil {
				return
			}
			body = rest
			if !names(key) {
				continue
			}
			after := bytes.TrimLeft(rest, " \t\r\n")
			if len(after) == 0 || after[0] != ':' {
				continue
			}
			after = bytes.TrimLeft(after[1:], " \t\r\n")
			if len(after) == 0 || after[0] != '"' {
				continue
			}
			value, rest := nextText(after)
			if body = rest; value != nil && !yield(unquoted(value)) {
				return
			}
		}
	}
}

// names reports whether a text, with its quotes, is one of these keys.
func names(text []byte) bool {
	if bytes.IndexByte(text, '\\') >= 0 {
		return slices.Contains(naming, unquoted(text))
	}
	return slices.Contains(naming, string(text[1:len(text)-1]))
}

// nextText is the next text of a JSON body, with its quotes, and what follows it; nil = there is none.
func nextText(body []byte) (text, rest []byte) {
	start := bytes.IndexByte(body, '"')
	if start < 0 {
		return nil, nil
	}
	for i := start + 1; i < len(body); i++ {
		switch body[i] {
		case '\\':
			i++
		case '"':
			return body[start : i+1], body[i+1:]
		}
	}
	return nil, nil
}

// unquoted is what a text says, "" where it cannot be read.
func unquoted(text []byte) (s string) {
	_ = json.Unmarshal(text, &s)
	return s
}
