package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/engine"
	"sluice/proxy/simulate"
)

// TestAStormLeavesNothingBehind: many clients, each upstream fault, clients that leave at any moment; at the end every request
// has one row, and nothing is held.
func TestAStormLeavesNothingBehind(t *testing.T) {
	modes := []string{"none", "slow=1ms", "401", "403", "429", "500", "502-html", "503", "529", "redirect", "1xx", "bigheader", "close-delimited",
		"cut-boundary", "cut-inside", "cut-json", "reset", "reset-before-head", "stall", "stall-head", "garbled", "error-event", "no-stop"}
	p := simulated(t, simulate.Options{Words: 30})
	u := upstream("a", p.URL())
	u.Timeouts.Idle, u.Timeouts.ResponseHeader = 60*time.Millisecond, 60*time.Millisecond
	r := newRig(t, u)
	r.options.PingEvery = 5 * time.Millisecond
	r.start()
	const clients, each = 16, 40
	var wg sync.WaitGroup
	for n := range clients {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range each {
				if err := p.Next(modes[(n*7+i)%len(modes)]); err != nil {
					t.Error(err)
				}
				storm(t, r.addr, (n+i)%5)
			}
		}()
	}
	wg.Wait()
	for _, row := range r.ledger.wait(t, clients*each) {
		if row.Status == 0 || row.Principal != "alice" || row.Timings.Duration <= 0 {
			t.Errorf("row %+v", row)
		}
		if row.Status == 499 && row.Code != engine.CodeClientGone {
			t.Errorf("row %d %s", row.Status, row.Code)
		}
	}
}

// storm sends one request and does with its answer as how says.
func storm(t *testing.T, addr string, how int) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	body := helloStream
	if how == 1 {
		body = hello
	}
	if _, err := io.WriteString(nc, post("/v1/messages", body, "anthropic-version: 2023-06-01")); err != nil {
		t.Error(err)
		return
	}
	switch how {
	case 2: // leaves after the head
		_, _ = http.ReadResponse(bufio.NewReaderSize(nc, 16), nil)
	default:
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			return // an answer that was cut before its head went out
		}
		b, err := io.ReadAll(resp.Body)
		events := strings.HasPrefix(resp.Header.Get("content-type"), "text/event-stream")
		if events && (err != nil || !strings.Contains(string(b), "event: message_stop") && !strings.Contains(string(b), "event: error")) {
			t.Errorf("a stream ends without a word: %v, %.2000q", err, b)
		}
	}
}
