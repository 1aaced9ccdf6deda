package ledger_test

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/engine/ledger"
)

// go test -run Killed -kills 50 -lost 100ms ./engine/ledger
var (
	kills = flag.Int("kills", 3, "how often the writing process is killed")
	lost  = flag.Duration("lost", 0, "how old a row may be that is lost, 0 = only rows that were said to be written must be there")
)

const victimDir = "SLUICE_LEDGER_VICTIM"

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		if err := victim(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// roomy makes segments of a megabyte and keeps what a victim records.
func roomy() ledger.Policy { return ledger.Policy{Keep: time.Hour, MaxSize: 16 << 20} }

// victim records a few thousand rows a second until it is killed, and says so: "recorded ID NANOSECONDS", "written COUNT".
func victim(dir string) error {
	b, err := ledger.Open(ledger.Options{Dir: dir, Policy: roomy, Report: func(format string, args ...any) {
		fmt.Printf("told "+format+"\n", args...)
	}})
	if err != nil {
		return err
	}
	for range time.Tick(2 * time.Millisecond) {
		fmt.Printf("written %d\n", b.Stats().Rows)
		for range 10 {
			r := ledger.Sample(200)
			b.Record(r)
			fmt.Printf("recorded %s %d\n", r.RequestID, time.Now().UnixNano())
		}
	}
	return nil
}

func TestAKilledProcessLosesNoRowThatIsWritten(t *testing.T) {
	dir := t.TempDir()
	for round := range *kills {
		ids, times, written, killed := killOne(t, dir)
		r := &told{}
		b := open(t, dir, roomy, r)
		found := map[string]bool{}
		for _, id := range scanned(t, b) {
			found[id] = true
		}
		for i, id := range ids {
			switch age := killed.Sub(times[i]); {
			case found[id]:
			case i < written:
				t.Fatalf("round %d: row %d of %d is gone, %d were written", round, i, len(ids), written)
			case *lost > 0 && age > *lost:
				t.Errorf("round %d: row %d of %d is gone, it was %v old", round, i, len(ids), age)
			}
		}
		if s := b.Stats(); s.Damaged > 0 {
			t.Errorf("round %d: %+v: a kill left more than a torn tail: %q", round, s, r.lines)
		}
		last := fill(b, 1)[0]
		closed(t, b)
		b = open(t, dir, roomy, r)
		if got := scanned(t, b); !slices.Contains(got, last.RequestID) {
			t.Fatalf("round %d: a row after the kill is gone", round)
		}
		closed(t, b)
	}
}

// killOne runs a victim for a while. It returns what that recorded.
func killOne(t *testing.T, dir string) (ids []string, times []time.Time, written int, killed time.Time) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	enough := 100 + rand.IntN(300) // rows
	for lines := bufio.NewScanner(out); lines.Scan(); {
		word := strings.Fields(lines.Text())
		switch word[0] {
		case "written":
			written, _ = strconv.Atoi(word[1])
		case "recorded":
			ns, _ := strconv.ParseInt(word[2], 10, 64)
			ids, times = append(ids, word[1]), append(times, time.Unix(0, ns))
		case "told":
			t.Log(lines.Text())
		}
		if killed.IsZero() && written >= enough {
			killed = time.Now()
			cmd.Process.Kill()
		}
	}
	cmd.Wait()
	if killed.IsZero() {
		t.Fatal("the process ended by itself")
	}
	return ids, times, written, killed
}
