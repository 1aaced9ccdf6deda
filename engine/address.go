package engine

import "net/url"

// address is where a shaped request goes, as the wire has it.
type address struct {
	scheme, host, uri string
	parsed            *url.URL // nil until somebody asks
}

// address is what CheckURL finds, without parsing an address that is plainly one of u's own. An error is a *DialectError.
func (u *Upstream) address(s string) (address, error) {
	if uri, ok := u.plainURI(s); ok {
		return address{scheme: u.BaseURL.Scheme, host: u.BaseURL.Host, uri: uri}, nil
	}
	to, err := u.CheckURL(s)
	if err != nil {
		return address{}, err
	}
	return address{to.Scheme, to.Host, to.RequestURI(), to}, nil
}

// below is a path and query as they stand in an address below u's base, false = that has to be parsed.
func (u *Upstream) below(path, query string) (string, bool) {
	base := u.BaseURL
	if base.Host == "" || base.Path != "" && base.Path != "/" {
		return "", false
	}
	uri := path
	if query != "" {
		uri += "?" + query
	}
	return uri, len(base.Scheme)+len("://")+len(base.Host)+len(uri) <= maxURL && plain(uri)
}

// plainURI is the path and query of an address that begins as u's base does and in which nothing can be read in two ways.
func (u *Upstream) plainURI(s string) (string, bool) {
	scheme, host := u.BaseURL.Scheme, u.BaseURL.Host
	n := len(scheme) + len("://") + len(host)
	if host == "" || len(s) <= n || len(s) > maxURL || s[:len(scheme)] != scheme || s[len(scheme):n-len(host)] != "://" || s[n-len(host):n] != host {
		return "", false
	}
	return s[n:], plain(s[n:])
}

// plain reports whether nothing in a path and query can be read in two ways.
func plain(uri string) bool {
	query := false
	for i := range len(uri) {
		switch c := uri[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~', c == '/', c == ':':
		case c == '?' && !query && i+1 < len(uri):
			query = true
		case query && (c == '=' || c == '&'):
		default:
			return false
		}
	}
	return uri != "" && uri[0] == '/'
}

// url is the whole address. The caller must not write to it.
func (a *address) url() *url.URL {
	if a.parsed == nil {
		a.parsed, _ = url.Parse(a.scheme + "://" + a.host + a.uri) // it was checked
	}
	return a.parsed
}
