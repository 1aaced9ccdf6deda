//go:build !race

// The race detector takes ten times the time: a gateway would not be ready before its observer's probes are over.

package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/ledger"
)

// slower is an observer that takes some 10 ms for each event, in both languages.
var slower = map[string]string{
	".star": strings.Replace(slow[".star"], "20000", "400000", 1),
	".lua":  strings.Replace(slow[".lua"], "20000", "400000", 1),
}

// A gateway ends soon after its drain, with all rows of its ledger, whatever its observers have before them.
func TestSlowObserversKeepNoGatewayFromEnding(t *testing.T) {
	const requests = 700 // of three events each, which take some 15 seconds
	for ext, text := range slower {
		t.Run(ext[1:], func(t *testing.T) {
			scripts := t.TempDir()
			if err := os.WriteFile(filepath.Join(scripts, "slow"+ext), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := gatewayProcess(t, oneUpstream+onePrincipal+"budgets: {time: 1s, steps: 1000000000}\ntimeouts: {drain: 1s}\n"+
				fmt.Sprintf("scripts: %s\nobservers: [{script: slow%s}]\n", scripts, ext))
			said, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			url, _ := untilReady(t, said)
			for range requests {
				resp, err := http.Post(url+"/v1/messages", "application/json", strings.NewReader("{}"))
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			cmd.Process.Signal(syscall.SIGTERM)
			begun := time.Now()
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ended with %v, want in order", err)
			}
			if took := time.Since(begun); took > patience {
				t.Errorf("it ended after %v, want some 3 seconds", took)
			}
			if got := rowsBelow(t, filepath.Dir(cmd.Args[len(cmd.Args)-1])); got != requests {
				t.Errorf("%d rows, want %d", got, requests)
			}
		})
	}
}

// rowsBelow counts the rows of a ledger in the data directory of a config's folder.
func rowsBelow(t *testing.T, dir string) (n int) {
	t.Helper()
	book, err := ledger.Open(ledger.Options{Dir: filepath.Join(dir, "data", "ledger"), ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := book.Scan(time.Time{}, func(*engine.Record) bool { n++; return true }); err != nil {
		t.Fatal(err)
	}
	return n
}
