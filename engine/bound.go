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
	if b.Principal != x.Principal.ID {
		return nil, noObject(x, id)
	}
	for i := range c {
		if c[i].ID == b.Upstream {
			return c[i : i+1 : i+1], nil
		}
	}
	for _, u := range g.Upstreams {
		if state := u.CredentialState(); u.ID == b.Upstream && x.Principal.MayUse(u.ID) && state.Reconnect {
			return nil, disconnected(u, state)
		}
	}
	return nil, noObject(x, id)
}

func noObject(x *Exchange, id string) error {
	return &Refusal{Code: CodePathNotServed, Message: fmt.Sprintf("principal %q has nothing with the id %q", x.Principal.Name, Cut(id, MaxReason))}
}

// shared are the candidates whose accounts the principal may look through: all if the config says so, else those that nobody else reaches: a
// message may leave files in an account. An upstream that is signed with the client's own credential has an account of the client's.
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
		if p.ID != x.Principal.ID && p.MayUse(upstream) {
			return false
		}
	}
	return true
}

// withNamed leaves the candidate that holds the things which a body refers to. Those of unknown origin are the upstream's affair.
func (g *Generation) withNamed(x *Exchange, c []UpstreamCandidate) ([]UpstreamCandidate, error) {
	r := x.Request
	if g.Bindings == nil || !g.Bindings.Any() || r.Uploads() {
		return c, nil
	}
	if !isMessages(r.Path) && bytes.IndexByte(r.Body, 0) >= 0 { // UTF-16, say, which some parsers take: nothing could be found in it
		return nil, &Refusal{Code: CodeBadBody, Message: "the body has a zero byte, want JSON in UTF-8"}
	}
	return g.whereAll(x, c, r.named())
}

// whereAll leaves the candidate that holds all of these things.
func (g *Generation) whereAll(x *Exchange, c []UpstreamCandidate, ids iter.Seq[string]) ([]UpstreamCandidate, error) {
	for id := range ids {
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

// Uploads reports whether there is no body, or one that is a file: that may hold any text, and refers to nothing.
func (r *RequestContext) Uploads() bool {
	return len(r.Body) == 0 || pathBelow(r.Path, "/v1/files") || pathBelow(r.Path, "/v1/skills")
}

func isMessages(path string) bool { return pathBelow(path, "/v1/messages") || path == "/v1/complete" }

// named are the ids by which a body may refer to things that live in an account: of messages those behind the keys that do, of any other all
// of its texts. They are found however they are written: with escapes, as another parser would read them.
func (r *RequestContext) named() iter.Seq[string] {
	if isMessages(r.Path) {
		return inMessages(r.Body)
	}
	return Texts(r.Body)
}

// Texts are all texts in JSON, keys among them, that may be an id.
func Texts(json []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for text, rest := nextText(json); text != nil; text, rest = nextText(rest) {
			if len(text) <= 6*maxID && !yield(unquoted(text)) {
				return
			}
		}
	}
}

// maxID is the length of the longest id that is looked for, in bytes. Those of Anthropic have some 30.
const maxID = 256

// naming are the keys by which messages refer to files, skills and the containers in which code ran. Where the last has an object, that has
// the id.
var naming = []string{"file_id", "skill_id", "container"}

// mayName is false for most messages, at little cost. No other escape stands for a letter of a key.
func mayName(body []byte) bool {
	return bytes.Contains(body, []byte(`\u00`)) || slices.ContainsFunc(naming, func(key string) bool { return bytes.Contains(body, []byte(key+`"`)) })
}

func inMessages(body []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !mayName(body) {
			return
		}
		within := false // a container is an object: any id from here on may be its
		for key, rest := nextText(body); key != nil; key, rest = nextText(rest) {
			name := nameIn(key)
			if name == "" || name == "id" && !within {
				continue
			}
			after := bytes.TrimLeft(rest, " \t\r\n")
			if len(after) == 0 || after[0] != ':' {
				continue
			}
			after = bytes.TrimLeft(after[1:], " \t\r\n")
			if name == "input" {
				rest = behind(after)
				continue
			}
			within = within || name == "container" && len(after) > 0 && after[0] == '{'
			if len(after) == 0 || after[0] != '"' {
				continue
			}
			var value []byte
			if value, rest = nextText(after); value != nil && !yield(unquoted(value)) {
				return
			}
		}
	}
}

// nameIn is which of these keys a text is, with its quotes; "" = none.
func nameIn(text []byte) string {
	const longest = len(`"container"`)
	if len(text) > 6*longest {
		return ""
	}
	name := string(text[1 : len(text)-1])
	if strings.IndexByte(name, '\\') >= 0 {
		name = unquoted(text)
	}
	if name != "id" && name != "input" && !slices.Contains(naming, name) {
		return ""
	}
	return name
}

// behind is what follows an object or a list at the start of json: the input of a tool is data, and names nothing. It is json itself where that
// starts with neither.
func behind(json []byte) []byte {
	if len(json) == 0 || json[0] != '{' && json[0] != '[' {
		return json
	}
	depth := 0
	for i := 0; i < len(json); i++ {
		switch json[i] {
		case '"':
			text, _ := nextText(json[i:])
			if text == nil {
				return nil
			}
			i += len(text) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return json[i+1:]
			}
		}
	}
	return nil
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
	if bytes.IndexByte(text, '\\') < 0 {
		return string(text[1 : len(text)-1])
	}
	_ = json.Unmarshal(text, &s)
	return s
}
