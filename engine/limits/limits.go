// Package limits bounds what a principal or a key spends: requests, tokens, money, and requests at once, over rolling windows.
//
//	book := limits.NewBook(time.Now())
//	set := book.Set(limits.Holder{Principal: "alice", Rules: rules}, prices)
//	r, err := set.Reserve(now, demand) // before anything is sent
//	r.Settle(now, usage, true)         // or r.Refund(now); the first of them counts
//
// A reservation holds an estimate while its request runs; what is booked in the end is what the upstream reported. A book lives beside
// the generations, so that a reload forgets nothing. It goes by the monotonic clock: setting the machine's clock changes no window.
package limits

import (
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

// MaxWindow is the longest window, and how far back amounts can be booked.
const MaxWindow = 3650 * 24 * time.Hour

// Book keeps what every principal has spent. Its methods may be called from any goroutine.
type Book struct {
	start time.Time // the zero of its clock, MaxWindow before it was made

	mu       sync.Mutex
	accounts map[string]*account // by principal; guarded by mu
}

// NewBook makes an empty book.
func NewBook(now time.Time) *Book {
	return &Book{start: now.Add(-MaxWindow), accounts: make(map[string]*account)}
}

// at is a moment on the book's clock.
func (b *Book) at(t time.Time) time.Duration { return max(0, t.Sub(b.start)) }

// account is what one principal and its keys have spent.
type account struct {
	mu       sync.Mutex
	counters map[slot]*counter // guarded by mu, and so are the counters
	habits   map[string]*habit // by model; guarded by mu, and so are the habits
}

// slot is where a counter stands. Rules that differ in Max alone share it, so that a changed limit keeps what was counted.
type slot struct {
	key    string // the key's hash, "" = the principal's own
	kind   Kind
	window time.Duration
}

// counter is one sum.
type counter struct {
	used *window // nil for Concurrency
	held int64   // by requests that run
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
	prices engine.Prices
	rules  []bound
}

type bound struct {
	Rule
	whose string // "principal" or "key"
	*counter
}

var _ engine.Limiter = (*Set)(nil)

// Set returns the rules of a holder, nil where there are none.
func (b *Book) Set(h Holder, prices engine.Prices) *Set {
	if len(h.Rules)+len(h.KeyRules) == 0 {
		return nil
	}
	s := &Set{book: b, account: b.account(h.Principal), prices: prices}
	s.mu.Lock()
	defer s.mu.Unlock()
	replaced := make(map[Kind]bool)
	for _, r := range h.KeyRules {
		replaced[r.Kind] = true
		s.rules = append(s.rules, bound{r, "key", s.counter(slot{h.Key, r.Kind, r.Window})})
	}
	for _, r := range h.Rules {
		if !replaced[r.Kind] {
			s.rules = append(s.rules, bound{r, "principal", s.counter(slot{"", r.Kind, r.Window})})
		}
	}
	return s
}

func (b *Book) account(principal string) *account {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.accounts[principal]
	if a == nil {
		a = &account{counters: make(map[slot]*counter), habits: make(map[string]*habit)}
		b.accounts[principal] = a
	}
	return a
}

// counter must be called with mu held.
func (a *account) counter(at slot) *counter {
	c := a.counters[at]
	if c == nil {
		c = &counter{}
		if at.kind != Concurrency {
			c.used = newWindow(at.window)
		}
		a.counters[at] = c
	}
	return c
}
