package proxy_test

import (
	"strings"
	"testing"

	"sluice/engine"
)

// TestWhatCouldNotBeReadIsSaid: in words of our own, and in a row that names what was asked.
func TestWhatCouldNotBeReadIsSaid(t *testing.T) {
	t.Parallel()
	r := newRig(t, upstream("a", "http://127.0.0.1:1")).start()
	n := 0
	f := func(raw, says, asked string) {
		t.Helper()
		c := r.dial().send(raw)
		got := c.read("POST")
		if got.Header.Get("x-sluice-error") != "bad_request" || !strings.Contains(got.body, `"message":"`+says+`"`) || strings.Contains(got.body, "planted") {
			t.Errorf("%.60q: got %s %s, want %s", raw, got.code(), got.body, says)
		}
		c.nc.Close()
		n++
		if row := r.ledger.wait(t, n)[n-1]; row.Method+" "+row.Path != asked || row.Code != engine.CodeBadRequest {
			t.Errorf("%.60q: the row says %q %s, want %q", raw, row.Method+" "+row.Path, row.Code, asked)
		}
	}
	const messages = "POST /v1/messages"
	f(head("X-planted : b"), "the name of a header has a character that no name may have", messages)
	f(head("X: planted\x00"), "the value of a header has a character that no value may have", messages)
	f(head("Content-Length: planted"), "content-length is no number", messages)
	f(head("Content-Length: 2", "content-length: 2"), "content-length is there twice", messages)
	f(head("Transfer-Encoding: planted"), "transfer-encoding is not what is spoken here, want chunked", messages)
	f(head("Host: planted"), "host is there twice", messages)
	f("GET /v1/models?planted HTTP/1.1\r\n\r\n", "host is missing", "GET /v1/models")
	f("GET /v1/sk-sluice-planted HTTP/1.1\r\n\r\n", "host is missing", "GET ")
	f("GET /v1/models planted/1.1\r\n\r\n", "the request line names no version that is spoken here, want HTTP/1.1", " ")
	f("GET /v1/models HTTP/3\r\n\r\n", "the request line names no version that is spoken here, want HTTP/1.1", "GET /v1/models")
	f("GET /v1/models HTTP/9.9\r\nHost: x\r\n\r\n", "the request line names no version that is spoken here, want HTTP/1.1", "GET /v1/models")
	f("POST /v1/messages HTTP/0.9\r\nHost: x\r\nContent-Length: 9\r\n\r\n", "the request line names no version that is spoken here, want HTTP/1.1", messages)
	f("GET planted HTTP/1.1\r\n\r\n", "the path in the request line is not one", " ")
	f("G\x00T / HTTP/1.1\r\n\r\n", "the method in the request line is not one", " ")
	f("planted\r\n\r\n", "the request line has no method", " ")
	f("GET /planted\r\n\r\n", "the request line is too short, want METHOD PATH HTTP/1.1", " ")
	f(head("X: "+strings.Repeat("y", 1<<20)), "the head of the request is too large", messages)

	want(t, "a probe", r.dial().send("HEAD / HTTP/2.0\r\nHost: x\r\n\r\n").read("HEAD").code(), "400 bad_request")
	n++

	var row *engine.Record
	for _, path := range []string{"/v1/alice-key/x", "/v1//sk-planted"} {
		r.do(post(path, hello))
		n++
		row = r.ledger.wait(t, n)[n-1]
		want(t, path, row.Method+" "+row.Path+string(row.Code), "POST bad_request")
	}

	// the next on a connection, by itself and read along with the one before
	c := r.dial().send(request("HEAD", "/api/hello", ""))
	c.read("HEAD")
	c.send("PUT /v1/files HTTP/1.1\r\n\r\n").read("PUT")
	row = r.ledger.wait(t, n+1)[n]
	want(t, "the second request", row.Method+" "+row.Path, "PUT /v1/files")
	c = r.dial().send(request("HEAD", "/api/hello", "") + "PUT /v1/files HTTP/1.1\r\n\r\n")
	c.read("HEAD")
	c.read("PUT")
	row = r.ledger.wait(t, n+2)[n+1]
	want(t, "a request in the same packet", row.Method+" "+row.Path, " ")
}
