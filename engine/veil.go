package engine

import (
	"slices"
	"strings"
)

// veil hides, in the answers to a request, the credentials that its attempts carried: servers that are set up to debug, or that stand before
// others, repeat what they were sent. Each byte that writes one becomes a '*', and a header whose name holds one is not there. It lies
// before all but the client: what no script translates goes there as it came. The zero value hides nothing.
type veil struct {
	secrets []secret
	room    [1]secret // for mostly the only one
}

// shortestSecret is the shortest credential that is hidden, in bytes: what servers without one take in its place is a word, which an answer
// may hold for its own sake.
const shortestSecret = 16

// cover takes note of the credentials of s, which are none of the lines that passed.
func (v *veil) cover(s Signed) {
	if v.secrets == nil {
		v.secrets = v.room[:0]
	}
	for i := range s.sealed.headers {
		line := &s.sealed.headers[i]
		if !EqualFold(line.Name, "x-api-key") && !EqualFold(line.Name, "authorization") && !EqualFold(line.Name, "x-amz-security-token") {
			continue
		}
		value := line.Value
		if _, after, scheme := strings.Cut(value, " "); scheme {
			value = strings.TrimLeft(after, " ")
		}
		if parts, aws := strings.CutPrefix(value, "Credential="); aws {
			id, _, _ := strings.Cut(parts, "/")
			_, signature, _ := strings.Cut(parts, "Signature=")
			v.add(id)
			value = signature
		}
		v.add(value)
	}
}

func (v *veil) add(credential string) {
	known := func(s secret) bool { return s.text == credential }
	if len(credential) >= shortestSecret && !slices.ContainsFunc(v.secrets, known) {
		v.secrets = append(v.secrets, secret{text: credential})
	}
}

// headers are the lines of h without credentials: h itself where they hold none.
func (v *veil) headers(h Headers) Headers {
	holds := func(line Header) bool { return v.inName(line.Name) || v.in(line.Value) }
	if !slices.ContainsFunc(h, holds) {
		return h
	}
	out := make(Headers, 0, len(h))
	for _, line := range h {
		if !v.inName(line.Name) {
			out.Add(line.Name, v.word(line.Value))
		}
	}
	return out
}

func (v *veil) in(text string) bool {
	for i := range v.secrets {
		if v.secrets[i].in(text) {
			return true
		}
	}
	return false
}

func (v *veil) inName(name string) bool {
	for i := range v.secrets {
		if v.secrets[i].inName(name) {
			return true
		}
	}
	return false
}

// text is b without credentials: b itself where it holds none.
func (v *veil) text(b []byte) []byte {
	for i := range v.secrets {
		b = v.secrets[i].hide(b)
	}
	return b
}

// word is text of what is short.
func (v *veil) word(text string) string {
	if v.in(text) {
		return string(v.text([]byte(text)))
	}
	return text
}

// event is what scripts may see of e.
func (v *veil) event(e StreamEvent) StreamEvent {
	e.Name, e.Data = v.word(e.Name), v.text(e.Data)
	return e
}

// Hide is a text of an answer without the credentials that x was sent with, for whoever is not its client.
func (x *Exchange) Hide(text string) string { return x.veil.word(text) }
