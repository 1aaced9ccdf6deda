package limits

import (
	"time"

	"sluice/engine"
)

// Past is a request of an earlier run, as the ledger tells of it.
type Past struct {
	Principal      string
	Key            string // the key's hash
	Started, Ended time.Time
	Usage          engine.Usage
	CostMicroUSD   int64
}

// Past books a request that was served before this book was made, so that a restart opens no window. It counts in the sets that were
// made so far, as it did then: where its key has a limit of a kind, not in its principal's. A row from the future, by a clock that was
// set back since, counts as of the book's beginning: nothing may move a window ahead of its clock.
func (b *Book) Past(p Past) {
	b.mu.Lock()
	a := b.accounts[p.Principal]
	b.mu.Unlock()
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	own := make(map[Kind]bool)
	for at := range a.counters {
		own[at.kind] = own[at.kind] || at.key != "" && at.key == p.Key
	}
	started, ended := min(b.at(p.Started), MaxWindow), min(b.at(p.Ended), MaxWindow)
	for at, c := range a.counters {
		if at.key != "" && at.key != p.Key || at.key == "" && own[at.kind] {
			continue
		}
		switch at.kind {
		case Concurrency:
		case Requests:
			c.used.add(started, 1)
		case CostUSD:
			c.used.add(ended, p.CostMicroUSD)
		default:
			c.used.add(ended, tokens(at.kind, p.Usage))
		}
	}
}
