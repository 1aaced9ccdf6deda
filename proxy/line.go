package proxy

import (
	"strings"

	"sluice/engine"
)

// maxMethod is the longest method that an upstream can be sent, in bytes.
const maxMethod = 20

// checkLine refuses what two parsers may read differently, and methods that would show a request, with our credential, to its
// sender.
func checkLine(h *head) *engine.Refusal {
	_, length := h.lines.Lookup("content-length")
	coding, encoded := h.lines.Lookup("transfer-encoding")
	switch {
	case encoded && !engine.EqualFold(coding, "chunked"):
		return refuse(engine.CodeBadRequest, "transfer-encoding %q is not served, want chunked", coding)
	case h.method != strings.ToUpper(h.method):
		return refuse(engine.CodeBadRequest, "method %q is not in capital letters", h.method)
	case length && encoded:
		return refuse(engine.CodeBadRequest, "content-length and transfer-encoding exclude each other")
	case len(h.method) > maxMethod:
		return refuse(engine.CodeBadRequest, "the method is longer than %d bytes", maxMethod)
	case h.method == "TRACE" || h.method == "CONNECT":
		return refuse(engine.CodeBadRequest, "method %s is not served", h.method)
	case !normalPath(h.path):
		return refuse(engine.CodeBadRequest, "the path is not in its normal form")
	case strings.ContainsAny(h.query, "#\\"):
		return refuse(engine.CodeBadRequest, "the query holds a '#' or a backslash")
	}
	return nil
}

// normalPath reports whether a raw path can be read in one way only: absolute, without empty, "." and ".." segments, and with
// nothing percent-encoded that has a plain form or would change the segments.
func normalPath(p string) bool {
	if p == "" || p[0] != '/' {
		return false
	}
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c <= ' ' || c >= 0x7f || c == '\\' || c == '#':
			return false
		case c == '/' && oddSegment(p[i+1:]):
			return false
		case c == '%':
			if i+2 >= len(p) || hexDigit(p[i+1]) < 0 || hexDigit(p[i+2]) < 0 {
				return false
			}
			if hasPlainForm(byte(hexDigit(p[i+1])<<4 | hexDigit(p[i+2]))) {
				return false
			}
		}
	}
	return true
}

// oddSegment reports whether what follows a slash begins with an empty segment that is not the last, or with "." or "..".
func oddSegment(rest string) bool {
	if strings.HasPrefix(rest, "/") {
		return true
	}
	if !strings.HasPrefix(rest, ".") {
		return false
	}
	segment, _, _ := strings.Cut(rest, "/")
	return segment == "." || segment == ".."
}

// hasPlainForm reports whether c must not be percent-encoded in a path.
func hasPlainForm(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c < ' ' || c == 0x7f || strings.IndexByte("-._~/\\", c) >= 0
}
