package simulate

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// fault is one way to go wrong. The zero value is none.
type fault struct {
	name string
	wait time.Duration // the DUR of the mode
	n    int           // the N of the mode: events or bytes
}

// mode is what a user can ask for.
type mode struct {
	name string
	arg  string // "DUR", "N" or ""
	def  string // the argument when none is given; "" means that one must be
	doc  string
}

// modes is the table of all faults; nothing writes it. The code that acts on a name stands in refuse.go or deliver.go.
var modes = [...]mode{
	{"none", "", "", `no fault; "ok" means the same`},
	{"latency", "DUR", "", "the head of an answer comes after DUR"},
	{"slow", "DUR", "250ms", "DUR between two chunks of a stream"},
	{"401", "", "", "authentication_error"},
	{"403", "", "", "permission_error"},
	{"404-model", "", "", "not_found_error that names the model of the request"},
	{"429", "DUR", "5s", "rate_limit_error with retry-after: DUR"},
	{"429-window", "DUR", "1h", "rate_limit_error, the unified five hour window is rejected until DUR from now, retry-after: 5"},
	{"429-spend", "", "", "rate_limit_error without retry-after: a spend cap"},
	{"overloaded-429", "", "", "429 with an overloaded_error and retry-after: 1: a passing throttle"},
	{"500", "", "", "api_error"},
	{"502-html", "", "", "an HTML page of the CDN, without request-id"},
	{"503", "", "", "an empty answer of the CDN, without request-id"},
	{"529", "", "", "overloaded_error"},
	{"redirect", "", "", "302 to /v1/redirected"},
	{"1xx", "", "", "a 103 before the answer"},
	{"bigheader", "", "", "a header of 64 KiB in the answer"},
	{"giant", "", "", "a message of 64 MiB of text"},
	{"close-delimited", "", "", "no content-length and not chunked: the close of the connection ends the answer"},
	{"cut-boundary", "N", "4", "stream: closed at the end of a chunk after N events"},
	{"cut-inside", "N", "4", "stream: closed in the middle of a chunk, and of an event, after N events"},
	{"cut-json", "", "", "other answers: closed in the middle of the body"},
	{"reset", "N", "4", "connection reset after N events, or in the middle of the body"},
	{"reset-bytes", "N", "100", "connection reset after N bytes of the answer, its head among them"},
	{"reset-before-head", "", "", "connection closed without an answer"},
	{"garbage", "", "", "bytes that are no HTTP in place of an answer, then the end of the connection"},
	{"stall", "N", "4", "nothing more after N events, or half of the body, until the client leaves"},
	{"stall-head", "", "", "no head, until the client leaves"},
	{"garbled", "N", "4", "stream: after N events come lines that are no events and an event with CRLF line ends, then the rest"},
	{"error-event", "N", "4", "stream: ends with an error event, overloaded_error, after N events"},
	{"no-stop", "", "", "stream: ends cleanly but without message_stop"},
	{refuses, "", "", "connections: none is taken, as long as it stands"},
	{halfOpen, "", "", "connections: taken, and then neither read nor answered; reset when another fault stands"},
	{slowRead, "DUR", "20ms", "connections: DUR before each KiB that is read"},
}

// The faults of connections. They are there before a request is, so they can only stand.
const (
	refuses  = "refuse"
	halfOpen = "half-open"
	slowRead = "slow-read"
)

func (f fault) ofConnections() bool {
	return f.name == refuses || f.name == halfOpen || f.name == slowRead
}

// FaultModes describes the fault modes, a line each: the form to give it in, at least two spaces, what it does. Those that say
// "stream" or "other answers" leave all else alone; the probes of clients, HEAD / and /api/hello, never take one. Those that say
// "connections" begin with new connections, and no single request can have them.
func FaultModes() []string {
	lines := make([]string, len(modes))
	for i, m := range modes {
		lines[i] = fmt.Sprintf("%-20s  %s", m.form(), m.doc)
		if m.def != "" {
			lines[i] += " (default " + m.def + ")"
		}
	}
	return lines
}

func (m mode) form() string {
	switch {
	case m.arg == "":
		return m.name
	case m.def == "":
		return m.name + "=" + m.arg
	}
	return m.name + "[=" + m.arg + "]"
}

func parseFault(s string) (fault, error) {
	if s == "" || s == "ok" {
		s = "none"
	}
	name, arg, given := strings.Cut(s, "=")
	for _, m := range modes {
		if m.name == name {
			return m.parse(s, arg, given)
		}
	}
	if near := nearest(name); near != "" {
		return fault{}, fmt.Errorf("simulate: fault %q: no such mode, did you mean %q?", s, near)
	}
	return fault{}, fmt.Errorf("simulate: fault %q: no such mode, want one of %s", s, strings.Join(names(), ", "))
}

// parseTurn reads a fault that a single request can have.
func parseTurn(s string) (fault, error) {
	f, err := parseFault(s)
	if err == nil && f.ofConnections() {
		return fault{}, fmt.Errorf("simulate: fault %q: it is one of connections and can only stand", s)
	}
	return f, err
}

func (m mode) parse(s, arg string, given bool) (fault, error) {
	f := fault{name: m.name}
	if m.arg == "" && given {
		return f, fmt.Errorf("simulate: fault %q: %s takes no value", s, m.name)
	}
	if !given {
		arg = m.def
	}
	var err error
	switch m.arg {
	case "DUR":
		if f.wait, err = time.ParseDuration(arg); err != nil || f.wait < 0 {
			return f, fmt.Errorf("simulate: fault %q: want %s=DUR, a duration like 250ms or 2s", s, m.name)
		}
	case "N":
		if f.n, err = strconv.Atoi(arg); err != nil || f.n < 0 {
			return f, fmt.Errorf("simulate: fault %q: want %s=N, a number", s, m.name)
		}
	}
	return f, nil
}

func names() []string {
	out := make([]string, len(modes))
	for i, m := range modes {
		out[i] = m.name
	}
	return out
}

// nearest is the mode closest to name, "" if none is within a third of its length.
func nearest(name string) string {
	best, at := "", len(name)/3+1
	for _, m := range modes {
		if d := distance(name, m.name); d < at {
			best, at = m.name, d
		}
	}
	return best
}

// distance is the number of bytes to insert, delete or replace between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
