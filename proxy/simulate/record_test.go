package simulate_test

import (
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"sluice/proxy/simulate"
)

func TestARequestIsRecordedAsItCameOverTheWire(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{})
	body := "{\"model\":\"m\", \"max_tokens\":5,\r\n \"messages\":[{\"role\":\"user\",\"content\":\"\\u0041\"}]}"
	do(t, p, "POST", "/v1/messages?beta=true&x=%20", body,
		"X-WeIrD: a:b", "x-api-key: k", "anthropic-version: 2023-06-01", "anthropic-beta: one", "Anthropic-Beta:two", "x-empty:")
	r := wait(t, p, ended(simulate.Sent))
	want := simulate.Request{
		Number: 1, Conn: 1, Arrived: noon, Ended: noon, Method: "POST", Path: "/v1/messages", Query: "beta=true&x=%20",
		Headers: []simulate.Header{
			{"host", "sim"}, {"X-WeIrD", "a:b"}, {"x-api-key", "k"}, {"anthropic-version", "2023-06-01"}, {"anthropic-beta", "one"},
			{"Anthropic-Beta", "two"}, {"x-empty", ""}, {"connection", "close"}, {"content-length", "80"},
		},
		Body: []byte(body), Fault: "none", End: simulate.Sent,
	}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("\n got %+v\nwant %+v", r, want)
	}
	equal(t, "Header", r.Header("ANTHROPIC-BETA"), "one")
	equal(t, "missing Header", r.Header("nope"), "")
}

func TestThePathIsRecordedRaw(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{})
	do(t, p, "GET", "/v1/models/..%2Fa//b/../c", "")
	equal(t, "path", p.Requests()[0].Path, "/v1/models/..%2Fa//b/../c")
}

func TestRequestsOnOneConnectionShareItsNumber(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{})
	const path = "/v1/messages/count_tokens"
	_, c := talkUntil(t, p, request("POST", path, hello), "}")
	if _, err := io.WriteString(c, request("POST", path, helloStream)); err != nil {
		t.Fatal(err)
	}
	readUntil(t, c, "}")
	talkUntil(t, p, request("POST", path, hello), "}")
	var conns []int
	for i, r := range p.Requests() {
		conns = append(conns, r.Conn)
		equal(t, "body", string(r.Body), []string{hello, helloStream, hello}[i])
	}
	if !reflect.DeepEqual(conns, []int{1, 1, 2}) || p.Accepted() != 2 {
		t.Errorf("connections %v, %d accepted", conns, p.Accepted())
	}
}

func TestOnlyTheLastRequestsAreKept(t *testing.T) {
	t.Parallel()
	f := func(keep int, want ...int) {
		t.Helper()
		p := start(t, simulate.Options{Keep: keep})
		for range 4 {
			do(t, p, "POST", "/v1/messages", hello)
		}
		var got []int
		for _, r := range p.Requests() {
			got = append(got, r.Number)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("keep %d: got %v, want %v", keep, got, want)
		}
	}
	f(0, 1, 2, 3, 4)
	f(3, 2, 3, 4)
	f(1, 4)
	f(-1)
}

func TestWaitSeesWhatComesAndGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{})
	second := make(chan simulate.Request, 1)
	go func() {
		second <- wait(t, p, func(r simulate.Request) bool { return r.Number == 2 && r.End != simulate.Running })
	}()
	do(t, p, "GET", "/v1/models", "")
	do(t, p, "GET", "/v1/files", "")
	equal(t, "path", (<-second).Path, "/v1/files")

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := p.Wait(ctx, ended(simulate.Gone))
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "none of 2 requests") {
		t.Errorf("Wait: %v", err)
	}
}

func TestAClientThatLeavesIsNoticedAtOnceWhereverItLeaves(t *testing.T) {
	t.Parallel()
	f := func(o simulate.Options, body, seen string, leave func(net.Conn)) {
		t.Helper()
		p := start(t, o)
		_, c := talkUntil(t, p, request("POST", "/v1/messages", body), seen)
		wait(t, p, ended(simulate.Running))
		equal(t, "open answers", p.Open(), 1)
		leave(c)
		r := wait(t, p, ended(simulate.Gone))
		equal(t, "number", r.Number, 1)
		equal(t, "open answers", p.Open(), 0)
	}
	fin := func(c net.Conn) { _ = c.Close() }
	rst := func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); _ = c.Close() }
	halfClose := func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() }
	for _, leave := range []func(net.Conn){fin, rst, halfClose} {
		f(simulate.Options{Latency: time.Hour}, hello, "", leave)
		f(simulate.Options{Fault: "latency=1h"}, helloStream, "", leave)
		f(simulate.Options{Fault: "stall-head"}, hello, "", leave)
		f(simulate.Options{Pace: time.Hour}, helloStream, "}\n\n\r\n", leave)
		f(simulate.Options{Fault: "slow=1h"}, helloStream, "}\n\n\r\n", leave)
		f(simulate.Options{Pace: time.Hour, Fault: "cut-boundary"}, helloStream, "}\n\n\r\n", leave)
		f(simulate.Options{Fault: "stall"}, helloStream, "\"text\":\"I \"}}\n\n\r\n", leave)
		f(simulate.Options{Fault: "stall"}, hello, "", leave)
	}
	f(simulate.Options{Latency: time.Hour}, hello, "", func(c net.Conn) { _, _ = io.WriteString(c, strings.Repeat("x", 80_000)) })
	f(simulate.Options{Fault: "giant"}, hello, "", fin)
	f(simulate.Options{Fault: "giant"}, helloStream, "", rst)
}

func TestAConnectionIsGoodForMoreAfterAWait(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{Latency: time.Millisecond, Pace: time.Millisecond})
	_, c := talkUntil(t, p, askStream, "\r\n0\r\n\r\n")
	if _, err := io.WriteString(c, askHello); err != nil {
		t.Fatal(err)
	}
	readUntil(t, c, `"us"}}`)
}

func TestARequestSentDuringTheWaitOfAnotherIsAnsweredToo(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{})
	if err := p.Next("latency=300ms"); err != nil {
		t.Fatal(err)
	}
	c := dial(t, p)
	if _, err := io.WriteString(c, request("POST", "/v1/messages", hello)); err != nil {
		t.Fatal(err)
	}
	wait(t, p, ended(simulate.Running))
	if _, err := io.WriteString(c, request("GET", "/v1/models/claude-opus-5-5", "")); err != nil {
		t.Fatal(err)
	}
	readUntil(t, c, `"display_name":"Claude Opus 5 5","created_at":"2026-02-04T00:00:00Z"}`)
	for _, r := range p.Requests() {
		equal(t, "end", r.End, simulate.Sent)
	}
}
