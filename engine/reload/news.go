package reload

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Report is what one round of the loop changed. It is made only where something did.
type Report struct {
	Generation uint64 // that serves now; 0 before the first
	News       []News
}

// State says what became of a file.
type State string

// Live: what is on disk serves. Kept: it fails, the version before serves on. LastGood: it fails, the copy from the data directory
// serves. Deleted: it is gone, its version serves until the config stops naming it. Refused: the config, or what it names, fails; the
// config before stays in force. Trouble: something else is wrong that needs a person.
const (
	Live     State = "live"
	Kept     State = "kept"
	LastGood State = "last good"
	Deleted  State = "deleted"
	Refused  State = "refused"
	Trouble  State = "trouble"
)

// News is one change of state.
type News struct {
	State   State
	Path    string // the script's below its root, or the config's as it was given; "" for trouble
	Version string // hex, of the script version that serves; "" for others
	Tests   int    // of that version
	Err     error  // why; nil where State is Live
}

// String is one line for the log. All the lines of an error are in Err.
func (n News) String() string {
	version := n.Version[:min(len(n.Version), 12)]
	switch n.State {
	case Live:
		if version == "" {
			return n.Path + ": live"
		}
		return fmt.Sprintf("%s: version %s is live, tests passed: %d", n.Path, version, n.Tests)
	case Kept:
		return fmt.Sprintf("%s; %s serves on with version %s", oneLine(n.Err), n.Path, version)
	case LastGood:
		return fmt.Sprintf("%s; RUNNING THE LAST GOOD COPY of %s from the data directory, version %s", oneLine(n.Err), n.Path, version)
	case Deleted:
		return fmt.Sprintf("%s; version %s serves on until the config stops naming it", oneLine(n.Err), version)
	case Refused:
		return fmt.Sprintf("%s is refused, the config before stays in force: %s", n.Path, oneLine(n.Err))
	}
	return oneLine(n.Err)
}

func oneLine(err error) string {
	first, rest, more := strings.Cut(strings.TrimRight(err.Error(), "\n"), "\n")
	if more {
		first += fmt.Sprintf(" (and %d more)", strings.Count(rest, "\n")+1)
	}
	return first
}

// News tells what Commit changes, by path. The same failed bytes are news once.
func (t *Tx) News() []News {
	var list []News
	for _, path := range slices.Sorted(maps.Keys(t.staged)) {
		before, now := of(t.base, path), t.staged[path]
		if before.live == nil || before.text(path) != now.text(path) {
			list = append(list, now.news(path))
		}
	}
	return list
}

func (e entry) news(path string) News {
	n := News{State: Live, Path: path, Version: e.live.SHA256, Tests: e.live.Tests}
	switch {
	case e.failed == nil:
		return n
	case e.live.LastGood:
		n.State = LastGood
	case e.failed.deleted:
		n.State = Deleted
	default:
		n.State = Kept
	}
	n.Err = e.failed.err
	return n
}

// text differs where there is something to tell.
func (e entry) text(path string) string {
	text := e.news(path).String()
	if e.failed != nil {
		text += e.failed.version + e.failed.err.Error() // of which news tells the first line
	}
	return text
}
