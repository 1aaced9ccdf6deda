//go:build !race

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// A request is read, sent on, its answer read and sent back: each direction takes one write, and two reads, of which one finds that nothing has
// come yet.
func TestARequestTakesFewSystemCalls(t *testing.T) {
	gateway := startGateway(t, "--words", "21")
	nc, err := net.Dial("tcp", gateway.address(t, "gateway"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	br := bufio.NewReader(nc)
	f := func(stream bool, mostReads, mostWrites float64) {
		t.Helper()
		body := fmt.Sprintf(`{"model":"claude-sonnet-4-5","max_tokens":64,"stream":%t,"messages":[{"role":"user","content":"hi"}]}`, stream)
		ask := func() {
			fmt.Fprintf(nc, "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: %s\r\nanthropic-version: 2023-06-01\r\ncontent-length: %d\r\n\r\n%s",
				liveKey, len(body), body)
			resp, err := http.ReadResponse(br, nil)
			if err != nil || resp.StatusCode != 200 {
				t.Fatal(resp, err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
		}
		ask()
		const requests = 500
		reads, writes := gateway.calls(t)
		for range requests {
			ask()
		}
		moreReads, moreWrites := gateway.calls(t)
		if r, w := float64(moreReads-reads)/requests, float64(moreWrites-writes)/requests; r > mostReads || w > mostWrites {
			t.Errorf("stream %t: %.2f reads and %.2f writes a request, want at most %v and %v", stream, r, w, mostReads, mostWrites)
		}
	}
	// The ledger writes its rows together, some times a second: up to one write more where requests are slow.
	f(false, 4.5, 3.5)
	f(true, 12, 12) // 27 events, as many together as are there
}

// calls is how often a process has called read and write and their kin.
func (p *child) calls(t *testing.T) (reads, writes int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "syscr:")
	if _, err := fmt.Sscan(rest, &reads); err != nil {
		t.Fatal(err)
	}
	_, rest, _ = strings.Cut(rest, "syscw:")
	if _, err := fmt.Sscan(rest, &writes); err != nil {
		t.Fatal(err)
	}
	return reads, writes
}
