package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// aws NAME SECRET: an upstream that answers what is signed with the secret, Signature Version 4 as AWS publishes it, and refuses all
// else. The variable NAME, in capitals, is set to its URL.
func awsCommand(ts *testscript.TestScript, _ bool, args []string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("content-type", "application/json")
		got := r.Header.Get("authorization")
		if want := signature(r, args[1]); want == "" || !strings.HasSuffix(got, "Signature="+want) || r.Header.Get("x-api-key") != "" {
			w.WriteHeader(403)
			fmt.Fprintf(w, `{"message":"InvalidSignatureException: got %q, want %q"}`, got, want)
			return
		}
		fmt.Fprintf(w, `{"path":%q,"signed":%q}`, r.RequestURI, got)
	}))
	ts.Defer(server.Close)
	ts.Setenv(strings.ToUpper(args[0]), server.URL)
}

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=[^/]+/(([0-9]+)/([^/]+)/([^/]+)/aws4_request), SignedHeaders=([^,]+), Signature=`)

// signature is the one that a request should have, "" if it does not say enough.
func signature(r *http.Request, secret string) string {
	found := authorization.FindStringSubmatch(r.Header.Get("authorization"))
	body, err := io.ReadAll(r.Body)
	if found == nil || err != nil {
		return ""
	}
	segments := strings.Split(r.URL.EscapedPath(), "/")
	for i, s := range segments {
		segments[i] = strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
	}
	canonical := []string{r.Method, strings.Join(segments, "/"), strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20")}
	for name := range strings.SplitSeq(found[5], ";") {
		value := r.Header.Get(name)
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		canonical = append(canonical, name+":"+value)
	}
	canonical = append(canonical, "", found[5], sum(body))
	key := []byte("AWS4" + secret)
	for _, part := range []string{found[2], found[3], found[4], "aws4_request",
		"AWS4-HMAC-SHA256\n" + r.Header.Get("x-amz-date") + "\n" + found[1] + "\n" + sum([]byte(strings.Join(canonical, "\n")))} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
