package engine

import "strings"

// HeaderClass says whose a header is where it is not its sender's alone. The zero value is most names.
type HeaderClass uint8

// The classes. A name may be in several.
const (
	HeaderHopByHop   HeaderClass = 1 << iota // it ends at the next hop; names that Connection lists join them
	HeaderCredential                         // it may carry a credential, ours or the client's: no script sees it and none may set it
	HeaderTransport                          // the Transport writes it
	HeaderOurs                               // the gateway writes it
)

// ClassOf is the class of a header of this name.
func ClassOf(name string) HeaderClass {
	if name == "" {
		return 0
	}
	switch name[0] | 0x20 {
	case 'a':
		switch {
		case EqualFold(name, "authorization"), EqualFold(name, "api-key"):
			return HeaderCredential
		case EqualFold(name, "accept-encoding"):
			return HeaderTransport
		}
	case 'c':
		switch {
		case EqualFold(name, "connection"):
			return HeaderHopByHop
		case EqualFold(name, "content-length"):
			return HeaderTransport
		case EqualFold(name, "cookie"):
			return HeaderCredential
		}
	case 'e', 'h':
		if EqualFold(name, "expect") || EqualFold(name, "host") {
			return HeaderTransport
		}
	case 'p':
		switch {
		case EqualFold(name, "proxy-authenticate"), EqualFold(name, "proxy-connection"):
			return HeaderHopByHop
		case EqualFold(name, "proxy-authorization"):
			return HeaderHopByHop | HeaderCredential
		}
	case 'r':
		if EqualFold(name, "request-id") {
			return HeaderOurs
		}
	case 's':
		if EqualFold(name, "set-cookie") {
			return HeaderCredential
		}
	case 'k', 't', 'u':
		if EqualFold(name, "keep-alive") || EqualFold(name, "te") || EqualFold(name, "trailer") ||
			EqualFold(name, "transfer-encoding") || EqualFold(name, "upgrade") {
			return HeaderHopByHop
		}
	case 'x': // most names of clients' own: nearly none shares more than two letters with these
		if len(name) > 2 && credentialX(name, name[2]|0x20) {
			return HeaderCredential
		}
	}
	return 0
}

// credentialX reports whether a name that begins with "x", and has this third letter, may carry a credential.
func credentialX(name string, third byte) bool {
	switch third {
	case 'a':
		return EqualFold(name, "x-api-key") || HasFoldPrefix(name, "x-amz-")
	case 's':
		return HasFoldPrefix(name, "x-sluice-")
	case 'g':
		return HasFoldPrefix(name, "x-goog-")
	}
	return false
}

// HasFoldPrefix reports whether an ASCII name begins with prefix, without regard to case.
func HasFoldPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && EqualFold(s[:len(prefix)], prefix)
}

// HopByHop reports whether a header of this name ends at the next hop.
func HopByHop(name string) bool { return ClassOf(name)&HeaderHopByHop != 0 }

// CredentialHeader reports whether a header of this name may carry a credential.
func CredentialHeader(name string) bool { return ClassOf(name)&HeaderCredential != 0 }

// reservedHeader reports whether a header is not a dialect's to set.
func reservedHeader(name string) bool { return ClassOf(name) != 0 }

// ValidName reports whether s can be the name of a header: a token, as RFC 9110 has it.
func ValidName(s string) bool { return s != "" && TokenLen(s) == len(s) }

// TokenLen is how many bytes of a token s begins with.
func TokenLen(s string) int {
	for i := range len(s) {
		if !tokenBytes[s[i]] {
			return i
		}
	}
	return len(s)
}

// valid reports whether a line can stand in a head: its name is a token, and its value begins no other line.
func (h *Header) valid() bool { return ValidName(h.Name) && h.oneLine() }

// oneLine is asked of every line of every request, and quicker than a set of bytes.
func (h *Header) oneLine() bool {
	return strings.IndexByte(h.Value, '\r') < 0 && strings.IndexByte(h.Value, '\n') < 0 && strings.IndexByte(h.Value, 0) < 0
}

// tokenBytes are those that a token may have.
var tokenBytes = func() (t [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] = true
	}
	return t
}()
