package limits

import (
	"fmt"
	"time"
)

// Windows are what every counter has in which slot of its window at a moment, and what is held.
func (b *Book) Windows(principal string, now time.Time) map[string]int64 {
	out := make(map[string]int64)
	a := b.accounts[principal]
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, t := range a.tallies {
		for _, c := range t.counters {
			name := fmt.Sprintf("%s %s %v", key, c.kind, c.span)
			if c.held != 0 {
				out[name+" held"] = c.held
			}
			if c.used == nil {
				continue
			}
			c.used.advance(b.at(now))
			for slot := c.used.now - slots; slot <= c.used.now; slot++ {
				if amount := c.used.spent[slot%(slots+1)]; amount != 0 {
					out[fmt.Sprintf("%s, slot %d", name, slot)] = amount
				}
			}
		}
	}
	return out
}
