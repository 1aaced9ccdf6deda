package engine_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"sluice/engine"
)

func TestAnEncodedBodyIsReadAsFarAsItGoes(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(strings.Repeat("credit balance ", 10_000)))
	z.Close()
	f := func(name, encoding string, body []byte, want string) {
		t.Helper()
		r := &engine.Response{Headers: engine.Headers{{Name: "Content-Encoding", Value: encoding}}}
		if got := string(r.Plain(body, 30)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	first := "credit balance credit balance "
	f("whole", "gzip", b.Bytes(), first)
	f("in capitals", "X-GZIP", b.Bytes(), first)
	f("cut off", "gzip", b.Bytes()[:b.Len()/2], first)
	f("not what it says", "gzip", []byte("plain"), "")
	f("only its head", "gzip", b.Bytes()[:10], "")
	f("nothing", "gzip", nil, "")
	f("unknown", "br", b.Bytes(), "")
	f("two", "gzip, gzip", b.Bytes(), "")
	f("plain", "identity", []byte("as it is"), "as it is")
	f("none told", "", []byte("as it is"), "as it is")
}
