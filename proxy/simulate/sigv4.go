package simulate

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"regexp"
	"strings"
)

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=[^/]+/(([0-9]+)/([^/]+)/([^/]+)/aws4_request), SignedHeaders=([^,]+), Signature=([0-9a-f]+)$`)

// sigV4 reports whether the request is signed with the secret for a service: Signature Version 4 as AWS publishes it, made anew from what came over
// the wire. The time of the signature is not looked at.
func (r *Request) sigV4(secret, service string) bool {
	found := authorization.FindStringSubmatch(r.Header("authorization"))
	query, err := url.ParseQuery(r.Query)
	if found == nil || err != nil || found[4] != service {
		return false
	}
	segments := strings.Split(r.Path, "/")
	for i, s := range segments {
		segments[i] = strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
	}
	canonical := []string{r.Method, strings.Join(segments, "/"), strings.ReplaceAll(query.Encode(), "+", "%20")}
	for name := range strings.SplitSeq(found[5], ";") {
		canonical = append(canonical, name+":"+r.Header(name))
	}
	canonical = append(canonical, "", found[5], sum(r.Body))
	key := []byte("AWS4" + secret)
	for _, part := range []string{found[2], found[3], found[4], "aws4_request",
		"AWS4-HMAC-SHA256\n" + r.Header("x-amz-date") + "\n" + found[1] + "\n" + sum([]byte(strings.Join(canonical, "\n")))} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hmac.Equal([]byte(hex.EncodeToString(key)), []byte(found[6]))
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
