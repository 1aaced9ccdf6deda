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
// made so far.
func (b *Book) Past(p Past) {
	b.mu.Lock()
	a := b.accounts[p.Principal]
	b.mu.Unlock()
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for at, c := range a.counters {
		if at.key != "" && at.key != p.Key {
			continue
		}
		switch at.kind {
		case Concurrency:
		case Requests:
			c.used.add(b.at(p.Started), 1)
		case CostUSD:
			c.used.add(b.at(p.Ended), p.CostMicroUSD)
		default:
			c.used.add(b.at(p.Ended), tokens(at.kind, p.Usage))
		}
	}
}
