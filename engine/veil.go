package engine

import (
	"slices"
	"strings"
)

// veil hides from scripts, in an answer, the credentials that its request carried: servers that are set up to debug, or that stand before
// others, repeat what they were sent. Each byte that writes one becomes a '*', and a header that holds one is not there. What no script
// translates goes to the client as it came. The zero value hides nothing.
type veil struct{ secrets []secret }

// shortestSecret is the shortest credential that is hidden, in bytes: what servers without one take in its place is a word, which an answer
// may hold for its own sake.
const shortestSecret = 16

// cover takes note of the credentials of s, which are none of the lines that passed.
func (v *veil) cover(s Signed) {
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
	if len(credential) >= shortestSecret {
		v.secrets = append(v.secrets, secretOf(credential))
	}
}

// headers are the lines of h that scripts may see: h itself where that is all of them.
func (v *veil) headers(h Headers) Headers {
	holds := func(line Header) bool {
		return slices.ContainsFunc(v.secrets, func(s secret) bool { return s.in(line.Value) })
	}
	if !slices.ContainsFunc(h, holds) {
		return h
	}
	return slices.DeleteFunc(slices.Clone(h), holds)
}

// text is what scripts may see of b: b itself where it holds no credential.
func (v *veil) text(b []byte) []byte {
	for i := range v.secrets {
		b = v.secrets[i].hide(b)
	}
	return b
}

// event is what scripts may see of e.
func (v *veil) event(e StreamEvent) StreamEvent {
	for i := range v.secrets {
		if v.secrets[i].in(e.Name) {
			e.Name = string(v.text([]byte(e.Name)))
		}
	}
	e.Data = v.text(e.Data)
	return e
}
