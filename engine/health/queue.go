package health

import (
	"context"
	"slices"
	"time"

	"sluice/engine"
)

// waiter is one request in the lines of the full hosts that may serve it. All of it but came is guarded by the tracker's queue.
type waiter struct {
	accounts []engine.Account
	hosts    []*host    // in whose line it stands, by account; nil = it does not
	came     chan place // gets one value, or is closed when it stands in no line any more
	over     bool       // it got its place, or gave up
}

// place is what a waiter waited for.
type place struct {
	visit *visit
	at    int // position of its account
}

// Wait stands in the lines of full accounts that have room, for as long as the most patient of them lets it. First come, first served.
func (t *Tracker) Wait(ctx context.Context, full []engine.Account) (engine.Visit, int) {
	w := &waiter{accounts: full, hosts: make([]*host, len(full)), came: make(chan place, 1)}
	patience := t.join(w)
	if patience <= 0 {
		t.quit(w)
		return nil, 0
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case p := <-w.came:
		if p.visit != nil {
			return p.visit, p.at
		}
	case <-timer.C:
	case <-ctx.Done():
	}
	t.quit(w)
	select {
	case p := <-w.came: // it came at the same moment
		if p.visit != nil && ctx.Err() == nil {
			return p.visit, p.at
		}
		if p.visit != nil {
			p.visit.Leave()
		}
	default:
	}
	return nil, 0
}

// join puts w into lines, and returns how long it may wait there, 0 = it stands in none.
func (t *Tracker) join(w *waiter) time.Duration {
	t.queue.Lock()
	defer t.queue.Unlock()
	var patience time.Duration
	for i := range w.accounts {
		a := &w.accounts[i]
		h := t.host(a.ID)
		if len(h.line) >= a.Queue.Max {
			continue
		}
		w.hosts[i] = h
		h.line = append(h.line, w)
		h.queued.Add(1)
		patience = max(patience, a.Queue.Wait)
	}
	for _, h := range w.hosts { // a place that was given back before w stood there
		if h != nil {
			t.moveOn(h)
		}
	}
	return patience
}

// quit takes w out of its lines.
func (t *Tracker) quit(w *waiter) {
	t.queue.Lock()
	defer t.queue.Unlock()
	w.over = true
	for i := range w.hosts {
		t.unline(w, i)
	}
}

// unline takes w out of one line. The queue is held.
func (t *Tracker) unline(w *waiter, at int) {
	h := w.hosts[at]
	if h == nil {
		return
	}
	w.hosts[at] = nil
	if i := slices.Index(h.line, w); i >= 0 {
		h.line = slices.Delete(h.line, i, i+1)
		h.queued.Add(-1)
	}
}

// leave gives a place back, to the first who waits for it.
func (t *Tracker) leave(h *host) {
	h.inFlight.Add(-1)
	if h.queued.Load() > 0 {
		t.queue.Lock()
		defer t.queue.Unlock()
		t.moveOn(h)
	}
}

// moveOn gives what places there are to the first in line whose account takes requests. The queue is held.
func (t *Tracker) moveOn(h *host) {
	for i := 0; i < len(h.line); {
		w := h.line[i]
		at := slices.Index(w.hosts, h)
		a := w.accounts[at]
		if !h.squeeze(a.Concurrency) {
			return
		}
		v := t.admit(h, h.account(a.Client), a)
		if v == nil {
			h.inFlight.Add(-1)
			i++
			continue
		}
		for at := range w.hosts {
			t.unline(w, at)
		}
		w.over = true
		w.came <- place{v, at}
	}
}

// dismiss sends away who waits at a host for an account that takes no request any more: where a client stands in no other line it is
// told at once.
func (t *Tracker) dismiss(h *host) {
	if h.queued.Load() == 0 {
		return
	}
	t.queue.Lock()
	defer t.queue.Unlock()
	now := time.Now()
	for _, w := range slices.Clone(h.line) {
		at := slices.Index(w.hosts, h)
		a := &w.accounts[at]
		var v engine.Vitals
		t.Look(*a, now, &v)
		if v.Reopens == 0 && (v.Cooling.Class == "" || v.Cooling.Soft) {
			continue
		}
		t.unline(w, at)
		if !w.over && !slices.ContainsFunc(w.hosts, func(h *host) bool { return h != nil }) {
			w.over = true
			close(w.came)
		}
	}
}
