// Package limits bounds what a principal or a key spends: requests, tokens, money, and requests at once, over rolling windows.
//
//	book := limits.NewBook(time.Now())
//	set := book.Set(limits.Holder{Principal: "alice", Rules: rules}, prices)
//	r, err := set.Reserve(now, demand) // before anything is sent
//	booked := r.Settle(now, spent)     // or r.Refund(now); the first of them counts
//
// A reservation holds an estimate while its request runs; what is booked in the end is what the upstream reported. A book lives beside
// the generations, so that a reload forgets nothing, and what was booked before a limit came, in this run or an earlier one, is told to
// it by Past. It goes by the monotonic clock: setting the machine's clock changes no window.
package limits

import (
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/engine"
)

// Kind is what a rule counts.
type Kind string

// The kinds of limits.
const (
	Requests     Kind = "requests"
	InputTokens  Kind = "input_tokens" // fresh ones and cache writes, as the provider's own limits count them
	OutputTokens Kind = "output_tokens"
	TotalTokens  Kind = "total_tokens" // all input, cache reads among them, and output
	CostUSD      Kind = "cost_usd"     // in micro-dollars here
	Concurrency  Kind = "concurrency"  // requests at once; it has no window
)

// Rule is one limit. Max is in requests, tokens or micro-dollars.
type Rule struct {
	Kind   Kind
	Window time.Duration // 0 for Concurrency
	Max    int64
}

// Book keeps what every principal has spent. Its methods may be called from any goroutine.
type Book struct {
	start time.Time // the zero of its clock: that of the machine's, so that windows are cut alike in every run
	made  time.Duration

	mu       sync.RWMutex
	accounts map[string]*account // by principal; guarded by mu
	running  bool                // guarded by mu; requests were served: what counts in a new limit may be settled meanwhile
}

// NewBook makes an empty book.
func NewBook(now time.Time) *Book {
	b := &Book{start: now.Add(-time.Duration(now.UnixNano())), accounts: make(map[string]*account)}
	b.made = b.at(now)
	return b
}

// at is a moment on the book's clock.
func (b *Book) at(t time.Time) time.Duration { return max(0, t.Sub(b.start)) }

// account is what one principal and its keys have spent. What was counted once is counted on, whether a limit asks for it or not.
type account struct {
	mu      sync.Mutex
	tallies map[string]*tally // by the key's hash, "" = the principal's own; guarded by mu
	made    int               // counters; guarded by mu
	habits  map[string]*habit // by model; guarded by mu, and so are the habits
}

// tally is the counters of one key, or of all keys of a principal together. Guarded by its account.
type tally struct{ counters []*counter }

// counter is one sum. Rules that differ in Max alone share it, so that a changed limit keeps what was counted.
type counter struct {
	kind   Kind
	span   time.Duration
	number int     // in the order in which the account's were made
	used   *window // nil for Concurrency
	held   int64   // by requests that run

	filling bool          // Past tells it what was before
	since   time.Duration // and from here on requests tell it themselves; 0 = there were none before
}

// Holder is whose limits they are. A key's own rules take the place of its principal's rules of the same kinds.
type Holder struct {
	Principal string
	Rules     []Rule
	Key       string // the key's hash
	KeyRules  []Rule
}

// Set is the rules that hold for one key. It belongs to one generation; its counters are the book's.
type Set struct {
	book *Book
	*account
	prices   engine.Prices
	rules    []bound
	own      *tally // the key's
	shared   *tally // the principal's
	replaced []Kind // of which the key has limits of its own, which its usage counts in alone
	booked   string // the same as rows have it
}

type bound struct {
	Rule
	whose string // "principal" or "key"
	*counter
}

var _ engine.Limiter = (*Set)(nil)

// Set returns the rules of a holder, nil where there are none and never were.
func (b *Book) Set(h Holder, prices engine.Prices) *Set {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.accounts[h.Principal]
	if a == nil {
		if len(h.Rules)+len(h.KeyRules) == 0 {
			return nil
		}
		a = &account{tallies: make(map[string]*tally), habits: make(map[string]*habit)}
		b.accounts[h.Principal] = a
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &Set{book: b, account: a, prices: prices, own: &tally{}, shared: a.tally("")}
	if h.Key != "" {
		s.own = a.tally(h.Key)
	}
	for _, r := range h.KeyRules {
		s.replaced = append(s.replaced, r.Kind)
		s.rules = append(s.rules, bound{r, "key", s.counter(s.own, r)})
	}
	for _, r := range h.Rules {
		if !slices.Contains(s.replaced, r.Kind) {
			s.rules = append(s.rules, bound{r, "principal", s.counter(s.shared, r)})
		}
	}
	s.booked = join(s.replaced)
	return s
}

func join(kinds []Kind) string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return strings.Join(names, ",")
}

// isOf reports whether a list that join made has a kind.
func isOf(list string, k Kind) bool {
	for name := range strings.SplitSeq(list, ",") {
		if name == string(k) {
			return true
		}
	}
	return false
}

// tally must be called with mu held.
func (a *account) tally(key string) *tally {
	if a.tallies[key] == nil {
		a.tallies[key] = &tally{}
	}
	return a.tallies[key]
}

// counter finds what a rule goes by, or makes it. It is called with the locks of book and account held.
func (s *Set) counter(t *tally, r Rule) *counter {
	for _, c := range t.counters {
		if c.kind == r.Kind && c.span == r.Window {
			return c
		}
	}
	s.made++
	c := &counter{kind: r.Kind, span: r.Window, number: s.made}
	if r.Kind != Concurrency {
		c.used, c.filling = newWindow(r.Window), true
		if s.book.running {
			c.since = math.MaxInt64
		}
	}
	t.counters = append(t.counters, c)
	return c
}

// counters are those that a request of this key counts in. It must be called with mu held.
func (s *Set) counters(f func(c *counter)) { counters(s.own, s.shared, s.booked, f) }

// counters are those that a request counts in whose key had limits of its own of these kinds.
func counters(own, shared *tally, replaced string, f func(c *counter)) {
	for _, c := range own.counters {
		f(c)
	}
	for _, c := range shared.counters {
		if replaced == "" || !isOf(replaced, c.kind) {
			f(c)
		}
	}
}
