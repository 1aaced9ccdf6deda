package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// When a script is put aside.
const (
	asideOverruns   = 5                // so many overruns …
	asideWithin     = 10 * time.Second // … within so long …
	asideFor        = 30 * time.Second // … put it aside for so long: for the principal they came from,
	asidePrincipals = 3                // or for all if they came from so many.
	// asideStrays is how many calls may be left behind at once before no other is begun.
	asideStrays = 2
)

// Aside says that a script does not run for now.
type Aside struct {
	Principal string    // GlobalPrincipal = all
	Until     time.Time // zero = until it is edited
	Why       string
}

// String is "for principal "alice" until 15:04:05: WHY".
func (a Aside) String() string {
	who, until := "for all principals", "until it is edited"
	if a.Principal != GlobalPrincipal {
		who = fmt.Sprintf("for principal %q", a.Principal)
	}
	if !a.Until.IsZero() {
		until = "until " + a.Until.Format("15:04:05")
	}
	return who + " " + until + ": " + a.Why
}

// AsideError is a call that was not made because its script is put aside.
type AsideError struct {
	Script string
	Aside
}

func (e *AsideError) Error() string { return e.Script + ": put aside " + e.Aside.String() }

func isAside(err error) bool {
	var a *AsideError
	return errors.As(err, &a)
}

// Tally counts what became of the calls of all versions of a script.
type Tally struct {
	Overruns  atomic.Int64 // ended by a budget or a panic
	Abandoned atomic.Int64 // could not be stopped: the script was given up
	Stuck     atomic.Int64 // run still, though their requests went on without them
}

// Standing is how one version of one script behaved, and so whether it may run. It lives beside the generations: a reload that does not
// change the script changes nothing here. All methods may be called from any goroutine.
type Standing struct {
	*Tally
	Script string // path

	log   func(script string, a Aside, back bool)
	aside atomic.Pointer[map[string]Aside] // by principal; nil: it runs for everybody. What it points to is not written
	away  atomic.Int64                     // calls that were left behind and still run

	mu     sync.Mutex // for all that follows, and for changes of aside
	recent []overrun  // of the last asideWithin, oldest first
	serves bool       // it is the version of its script that serves: others say nothing
}

type overrun struct {
	who string
	at  time.Time
}

// Aside tells why the script may not run for a principal, nil = it may.
func (s *Standing) Aside(principal string) *Aside {
	if s.away.Load() >= asideStrays {
		return &Aside{GlobalPrincipal, time.Now().Add(crewStray), "calls of it do not end"}
	}
	asides := s.aside.Load()
	if asides == nil {
		return nil
	}
	for _, who := range [...]string{GlobalPrincipal, principal} {
		if a, ok := (*asides)[who]; ok {
			return &a
		}
	}
	return nil
}

// Asides lists for whom the script is put aside, by name: for all principals, or for some.
func (s *Standing) Asides() []Aside {
	asides := s.aside.Load()
	if asides == nil {
		return nil
	}
	return slices.SortedFunc(maps.Values(*asides), func(a, b Aside) int { return strings.Compare(a.Principal, b.Principal) })
}

// note takes an overrun into account. An error of another kind is none: a client may provoke those. Nor is a lack of memory that others hold.
func (s *Standing) note(who string, e *ScriptError, now time.Time) {
	if e == nil || !e.overran() {
		return
	}
	s.Overruns.Add(1)
	cause := "a panic"
	if e.Budget != "" {
		cause = "budgets." + e.Budget
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recent = slices.DeleteFunc(append(s.recent, overrun{who, now}), func(o overrun) bool { return now.Sub(o.at) > asideWithin })
	s.recent = s.recent[max(0, len(s.recent)-asideOverruns*asidePrincipals):]
	own, others := 0, make(map[string]bool)
	for _, o := range s.recent {
		others[o.who] = true
		if o.who == who {
			own++
		}
	}
	why := func(n int, from string) string {
		return fmt.Sprintf("%d overruns%s within %v, the last of %s", n, from, asideWithin, cause)
	}
	switch {
	case len(s.recent) >= asideOverruns && len(others) >= asidePrincipals:
		s.put(Aside{GlobalPrincipal, now.Add(asideFor), why(len(s.recent), fmt.Sprintf(" from %d principals", len(others)))})
	case own >= asideOverruns:
		s.put(Aside{who, now.Add(asideFor), why(own, "")})
	}
}

// blame puts the script aside for all.
func (s *Standing) blame(why string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(Aside{GlobalPrincipal, now.Add(asideFor), why})
}

// stray notes a call that was left behind. It may still end on its own, and was an overrun then.
func (s *Standing) stray() {
	s.away.Add(1)
	s.Stuck.Add(1)
}

// back notes that a call which was left behind has ended.
func (s *Standing) back() {
	s.away.Add(-1)
	s.Stuck.Add(-1)
}

// abandon gives up the script: a call of it could not be stopped, and no other is begun until it is edited.
func (s *Standing) abandon(now time.Time) {
	s.Abandoned.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(Aside{GlobalPrincipal, time.Time{}, "a call could not be stopped and was abandoned at " + now.Format("15:04:05")})
}

// put changes for whom the script is aside. s.mu is held. What is there already for the same or for all stays, unless a is for good. What
// is for all takes the place of the rest, which ends no later.
func (s *Standing) put(a Aside) {
	asides := map[string]Aside{}
	if old := s.aside.Load(); old != nil {
		asides = maps.Clone(*old)
	}
	all, forAll := asides[GlobalPrincipal]
	_, there := asides[a.Principal]
	if (there || forAll) && !a.Until.IsZero() || forAll && all.Until.IsZero() {
		return
	}
	if a.Principal == GlobalPrincipal {
		clear(asides)
	}
	asides[a.Principal] = a
	s.aside.Store(&asides)
	if !a.Until.IsZero() {
		time.AfterFunc(time.Until(a.Until), func() { s.lift(a) })
	}
	s.tell(a, false)
}

// tell logs that a begins, or ends. s.mu is held.
func (s *Standing) tell(a Aside, back bool) {
	if s.log != nil && s.serves {
		s.log(s.Script, a, back)
	}
}

// serve takes note of whether this version is the one that serves. One that comes back aside is told to be.
func (s *Standing) serve(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on && !s.serves {
		s.serves = true
		for _, a := range s.Asides() {
			s.tell(a, false)
		}
	}
	s.serves = on
}

// lift ends a, if it still stands.
func (s *Standing) lift(a Aside) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.aside.Load()
	if old == nil || (*old)[a.Principal] != a {
		return
	}
	asides := maps.Clone(*old)
	delete(asides, a.Principal)
	s.recent = slices.DeleteFunc(s.recent, func(o overrun) bool { return a.Principal == GlobalPrincipal || o.who == a.Principal })
	if len(asides) == 0 {
		s.aside.Store(nil)
	} else {
		s.aside.Store(&asides)
	}
	s.tell(a, true)
}
