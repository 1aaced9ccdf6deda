package proxy

import (
	"strings"

	"github.com/valyala/fasthttp"

	"sluice/engine"
)

// parseHeaders reads the raw header block of a request, in order and to the letter. The block was validated when it was read; ok
// is false where a line is folded or a name holds a space, which nobody needs and two parsers read differently.
func parseHeaders(raw string) (h engine.Headers, ok bool) {
	h = make(engine.Headers, 0, strings.Count(raw, "\n"))
	for line := range strings.SplitSeq(raw, "\n") {
		line = strings.TrimSuffix(line, "\r")
		name, value, found := strings.Cut(line, ":")
		switch {
		case line == "":
		case !found, line[0] == '\t', strings.IndexByte(name, ' ') >= 0:
			return nil, false
		default:
			h = append(h, engine.Header{Name: name, Value: strings.Trim(value, " \t")})
		}
	}
	return h, true
}

// endToEnd drops, in place, the lines that end at this hop: the known ones and those that Connection names.
func endToEnd(h engine.Headers) engine.Headers {
	var named map[string]bool // in small letters; a hostile Connection names thousands
	for v := range h.All("connection") {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.Trim(name, " \t"); name != "" && !engine.HopByHop(name) && !engine.EqualFold(name, "close") {
				if named == nil {
					named = make(map[string]bool)
				}
				named[strings.ToLower(name)] = true
			}
		}
	}
	kept := h[:0]
	for _, line := range h {
		if !engine.HopByHop(line.Name) && (named == nil || !named[strings.ToLower(line.Name)]) {
			kept = append(kept, line)
		}
	}
	return kept
}

func isAnyOf(name string, names []string) bool {
	for _, n := range names {
		if engine.EqualFold(name, n) {
			return true
		}
	}
	return false
}

// ours are the lines of a request that a Transport writes itself.
var ours = []string{"host", "content-length", "expect", "accept-encoding"}

// transportHeader reports whether a line of a request is the Transport's own to write, or ends at this hop.
func transportHeader(name string) bool { return isAnyOf(name, ours) || engine.HopByHop(name) }

// scriptHeaders are the lines of a request that scripts and upstreams may see: nothing of this hop, and no credential under any
// name.
func scriptHeaders(h engine.Headers, key string) engine.Headers {
	left := endToEnd(h.Clone(0)) // first: a Connection that holds the key still names what ends here
	out := left[:0]
	for _, line := range left {
		if isAnyOf(line.Name, ours) || engine.CredentialHeader(line.Name) || key != "" && strings.Contains(line.Value, key) {
			continue
		}
		out = append(out, line)
	}
	return out
}

// clientCredential are the lines that the client authenticates itself with at the provider. One that holds our own key is not
// among them.
func clientCredential(h engine.Headers, key string) engine.Credential {
	var lines engine.Headers
	for _, line := range h {
		own := engine.EqualFold(line.Name, "x-api-key") || engine.EqualFold(line.Name, "authorization")
		if own && !strings.Contains(line.Value, key) {
			lines = append(lines, line)
		}
	}
	return engine.NewCredential(lines)
}

// servers are the lines of an answer that the server writes itself, or that must not mix the clients of one upstream.
var servers = []string{"set-cookie", "content-length", "date"}

// withheld reports whether a line of an upstream's answer does not reach the client.
func withheld(name string) bool {
	return isAnyOf(name, servers) || hasFoldPrefix(name, "cf-") || hasFoldPrefix(name, "x-sluice-")
}

func hasFoldPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && engine.EqualFold(s[:len(prefix)], prefix)
}

// writeHeaders puts an upstream's lines on the answer to the client, and in the place of some what the key has left: its account's limits
// are not the client's. It names the request: by the upstream's id where it gave one.
func writeHeaders(to *fasthttp.ResponseHeader, h, left engine.Headers, requestID string) {
	for _, line := range left {
		to.Add(line.Name, line.Value)
	}
	named := false
	for _, line := range h {
		if _, ours := left.Lookup(line.Name); ours || withheld(line.Name) {
			continue
		}
		named = named || engine.EqualFold(line.Name, "request-id")
		to.Add(line.Name, line.Value)
	}
	if named {
		to.Set("x-sluice-request-id", requestID)
		return
	}
	to.Set("request-id", requestID)
}
