package engine

// hopByHop are the headers that end at the next hop. Names that Connection lists join them.
var hopByHop = [...]string{
	"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
	"transfer-encoding", "upgrade",
}

// HopByHop reports whether a header of this name ends at the next hop.
func HopByHop(name string) bool {
	if name == "" {
		return false
	}
	switch name[0] | 0x20 {
	default: // most names begin otherwise
		return false
	case 'c', 'k', 'p', 't', 'u':
	}
	for _, h := range hopByHop {
		if EqualFold(name, h) {
			return true
		}
	}
	return false
}

// credentialNames carry credentials, ours or the client's.
var credentialNames = [...]string{"authorization", "x-api-key", "api-key", "proxy-authorization", "cookie", "set-cookie"}

// credentialPrefixes begin the names of headers that sign or identify.
var credentialPrefixes = [...]string{"x-sluice-", "x-amz-", "x-goog-"}

// CredentialHeader reports whether a header of this name may carry a credential: no script sees it and none may set it.
func CredentialHeader(name string) bool {
	if name == "" {
		return false
	}
	switch name[0] | 0x20 {
	default: // most names begin otherwise
		return false
	case 'a', 'c', 'p', 's', 'x':
	}
	for _, n := range credentialNames {
		if EqualFold(name, n) {
			return true
		}
	}
	for _, p := range credentialPrefixes {
		if len(name) >= len(p) && EqualFold(name[:len(p)], p) {
			return true
		}
	}
	return false
}

// reservedHeader reports whether a header is not a dialect's to set.
func reservedHeader(name string) bool {
	for _, n := range [...]string{"host", "content-length", "request-id", "expect", "accept-encoding"} {
		if EqualFold(name, n) {
			return true
		}
	}
	return HopByHop(name) || CredentialHeader(name)
}

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

// tokenBytes are those that a token may have.
var tokenBytes = func() (t [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] = true
	}
	return t
}()
