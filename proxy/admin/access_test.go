package admin_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/proxy/admin"
)

// paths are all there are, each with the method it wants.
var paths = map[string]string{
	"/healthz": "GET", "/readyz": "GET", "/metrics": "GET", "/v1/status": "GET", "/v1/upstreams": "GET", "/v1/requests": "GET",
	"/v1/requests/some-id": "GET", "/v1/preview": "POST", "/v1/reload": "POST",
}

func TestEverythingButTheProbesWantsTheToken(t *testing.T) {
	r := newRig(t)
	f := func(path string, want int, headers ...string) {
		t.Helper()
		got := r.send(paths[path], r.admin, path, "", headers...)
		refused := got.header.Get("www-authenticate") == "Bearer" && strings.Contains(got.body, `"error": "want the admin token`)
		if got.status != want || refused != (want == 401) {
			t.Errorf("%s with %q: status %d, want %d: %v %s", path, headers, got.status, want, got.header, got.body)
		}
	}
	for path := range paths {
		probe := path == "/healthz" || path == "/readyz"
		for _, header := range []string{"x: y", "authorization: Bearer ", "authorization: Bearer wrong", "authorization: " + adminToken,
			"authorization: Basic " + adminToken, "authorization: Bearer " + adminToken + "x", "authorization: Bearer " + adminToken[:5],
			"x-api-key: " + adminToken} {
			if probe {
				f(path, 200, header)
			} else {
				f(path, 401, header)
			}
		}
	}
	f("/v1/nosuch", 401)
	f("/v1/status", 200, "authorization: Bearer "+adminToken)
	f("/v1/status", 200, "authorization: bearer "+adminToken)
	f("/v1/status", 200, "authorization: Bearer "+adminToken, "host: admin.example.com", "origin: https://example.com")
}

func TestTheTokenAndWhatItGuardsMayChangeWhileItServes(t *testing.T) {
	r := newRig(t)
	f := func(path, token string, want int) {
		t.Helper()
		if got := r.send("GET", r.admin, path, "", "authorization: Bearer "+token); got.status != want {
			t.Errorf("%s with %q: status %d, want %d", path, token, got.status, want)
		}
	}
	f("/metrics", "", 401)
	r.access.Store(&admin.Access{Token: "next", OpenMetrics: true})
	f("/metrics", "", 200)
	f("/v1/status", "", 401)
	f("/v1/status", adminToken, 401)
	f("/v1/status", "next", 200)
	r.access.Store(&admin.Access{Token: "next"})
	f("/metrics", "", 401)
}

func TestWithoutATokenOnlyThisMachineIsAnsweredAndNoWebPage(t *testing.T) {
	r := newRig(t)
	r.access.Store(&admin.Access{})
	f := func(want int, headers ...string) {
		t.Helper()
		for path, method := range paths {
			got := r.send(method, r.admin, path, "", headers...)
			if (got.status == 403) != (want == 403) {
				t.Errorf("%s %s with %q: status %d, want %d", method, path, headers, got.status, want)
			}
		}
	}
	f(200)
	f(200, "host: localhost")
	f(200, "host: localhost:8788")
	f(200, "host: 127.0.0.2:1")
	f(200, "host: [::1]:8788")
	f(403, "host: example.com")
	f(403, "host: localhost.example.com")
	f(403, "host: 192.168.0.1")
	f(403, "host: 127.0.0.1.nip.io")
	f(403, "origin: http://localhost:8788")
	f(403, "origin: null")
	f(403, "host: example.com", "authorization: Bearer "+adminToken)

	hosts := func(target, host string, want string) {
		t.Helper()
		nc, err := net.Dial("tcp", r.admin)
		r.must(err)
		defer nc.Close()
		_, err = io.WriteString(nc, "GET http://"+target+"/v1/status HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
		r.must(err)
		if line, err := bufio.NewReader(nc).ReadString('\n'); err != nil || !strings.Contains(line, want) {
			t.Errorf("target %q, host %q: %q, %v, want %s", target, host, line, err, want)
		}
	}
	hosts("localhost", "localhost", " 200 ")
	hosts("example.com", "localhost", " 403 ")
	hosts("localhost", "example.com", " 403 ")
}

func TestUnknownPathsAndMethodsAreToldWhatIsThere(t *testing.T) {
	r := newRig(t)
	f := func(method, path string, status int, allow string) {
		t.Helper()
		got := r.call(method, path, "")
		told := status == 200 || method == "HEAD" || strings.Contains(got.body, `"error": "`)
		if got.status != status || got.header.Get("allow") != allow || !told {
			t.Errorf("%s %s: status %d, allow %q, want %d and %q: %s", method, path, got.status, got.header.Get("allow"), status, allow, got.body)
		}
	}
	for path, method := range paths {
		if method == "GET" {
			f("POST", path, 405, "GET")
			f("DELETE", path, 405, "GET")
			continue
		}
		f("GET", path, 405, "POST")
		f("HEAD", path, 405, "POST")
	}
	f("HEAD", "/healthz", 200, "")
	f("HEAD", "/v1/status", 200, "")
	for _, path := range []string{"/", "/v1", "/v1/", "/v1/statu", "/v1/status/", "/V1/status", "/v1/experiments/none", "/v1/experiments/none/x", "/healthz/x"} {
		f("GET", path, 404, "")
	}
}

func TestItIsReadyWhileItTakesRequestsAndAnUpstreamIsWell(t *testing.T) {
	r := newRig(t)
	f := func(path string, status int, want string) {
		t.Helper()
		if got := r.send("GET", r.admin, path, ""); got.status != status || !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s, want %d and %q", path, got.status, got.body, status, want)
		}
	}
	f("/healthz", 200, "ok")
	f("/readyz", 200, "ready")
	r.sick.Store(true)
	f("/readyz", 503, "no usable upstream")
	r.sick.Store(false)
	f("/readyz", 200, "ready")
	r.draining.Store(true)
	f("/readyz", 503, "draining")
	f("/healthz", 200, "ok")
	r.draining.Store(false)
	r.world.Close()
	f("/readyz", 503, "nothing is loaded")
	f("/healthz", 200, "ok")
}

// What is asked while the last generation goes away is answered, somehow.
func TestNothingPanicsWhenNothingIsLoaded(t *testing.T) {
	r := newRig(t)
	id := r.ask(200).header.Get("x-sluice-request-id")
	r.world.Close()
	f := func(method, path, body string, want int) {
		t.Helper()
		if got := r.call(method, path, body); got.status != want {
			t.Errorf("%s: status %d, want %d: %s", path, got.status, want, got.body)
		}
	}
	f("GET", "/metrics", "", 200)
	f("GET", "/v1/status", "", 200)
	f("GET", "/v1/upstreams", "", 200)
	f("GET", "/v1/requests", "", 200)
	f("GET", "/v1/requests/"+id, "", 200)
	f("POST", "/v1/preview", `{"request": {}}`, 503)
	r.loop.Close()
	f("POST", "/v1/reload", "", 503)
}

// TestWhatCouldNotBeReadIsSaid: in the admin API's own form, TLS without a wait for more of it.
func TestWhatCouldNotBeReadIsSaid(t *testing.T) {
	r := newRig(t)
	f := func(raw string, status int, says string) {
		t.Helper()
		c, err := net.Dial("tcp", strings.TrimPrefix(r.admin, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		io.WriteString(c, raw)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%.40q: %v", raw, err)
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != status || !strings.Contains(string(body), `"error": "`+says+`"`) || strings.Contains(string(body), "planted") {
			t.Errorf("%.40q: got %d %s, want %d %s", raw, resp.StatusCode, body, status, says)
		}
	}
	f("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "this listener speaks plain HTTP: ask it by http")
	f("GET /v1/status HTTP/1.1\r\nplanted : x\r\n\r\n", 400, "the request could not be read")
	f("GET /v1/status HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("y", 5000)+"\r\n\r\n", 431, "the head of the request is too large")
	large := "POST /v1/preview HTTP/1.1\r\nHost: x\r\nContent-Length: 33554433\r\nAuthorization: Bearer "
	f(large+adminToken+"\r\n\r\n", 413, "the body is larger than 32 MiB")
	f(large+"wrong\r\n\r\n", 401, "want the admin token as a bearer token")
	f(strings.Replace(large, "33554433", "33554432", 1)+"wrong\r\n\r\n", 401, "want the admin token as a bearer token") // and no body is waited for
}

// TestAClientThatReadsNothingHoldsNobodyUp: it has asked for more than is on the way between two ends.
func TestAClientThatReadsNothingHoldsNobodyUp(t *testing.T) {
	r := newRig(t)
	nc, err := net.Dial("tcp", r.admin)
	r.must(err)
	defer nc.Close()
	ask := "GET /v1/status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + adminToken + "\r\n\r\n"
	for err == nil { // until the server, which cannot answer any more, reads none either
		_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
		_, err = io.WriteString(nc, strings.Repeat(ask, 100))
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience*3/4)
	defer cancel()
	if err := r.api.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}
