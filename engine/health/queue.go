package health

import (
	"context"
	"slices"
	"time"

	"sluice/engine"
)

// waiter is one request in the lines of the hosts that may serve it. All of it but its channels is guarded by the tracker's queue.
type waiter struct {
	accounts []engine.Account
	hosts    []*host       // in whose line it stands, by account; nil = it does not
	until    time.Time     // how long it waits; zero = it stands in no line
	came     chan place    // gets one value, or is closed when it stands in no line any more
	stir     chan struct{} // has one in it when an account began to cool that it goes on waiting for
	over     bool          // it got its place, or gave up
}

// place is what a waiter waited for.
type place struct {
	visit *visit
	at    int // position of its account
}

// Wait stands in the lines of accounts that have room, for as long as the most patient of them lets it. First come, first served. Who
// cools for longer than it would be waited for has no line.
func (t *Tracker) Wait(ctx context.Context, busy []engine.Account) (engine.Visit, int) {
	w := &waiter{accounts: busy, hosts: make([]*host, len(busy)), came: make(chan place, 1), stir: make(chan struct{}, 1)}
	t.join(w)
	if p := t.stand(ctx, w); p.visit != nil {
		return p.visit, p.at
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

// stand waits for w's place, which has no visit when it did not come.
func (t *Tracker) stand(ctx context.Context, w *waiter) place {
	if w.until.IsZero() {
		return place{}
	}
	timer := time.NewTimer(time.Until(t.wakes(w)))
	defer timer.Stop()
	for {
		select {
		case p := <-w.came:
			return p
		case <-ctx.Done():
			return place{}
		case <-w.stir:
		case <-timer.C:
			t.retry(w)
			if !time.Now().Before(w.until) {
				return place{} // unless it came just now
			}
		}
		timer.Reset(time.Until(t.wakes(w)))
	}
}

// wakes is when w has to look again by itself: when an account that it waits for stops cooling, or its time is up.
func (t *Tracker) wakes(w *waiter) time.Time {
	t.queue.Lock()
	defer t.queue.Unlock()
	next, now := w.until, time.Now()
	for i, h := range w.hosts {
		if h == nil {
			continue
		}
		if c := t.of(w.accounts[i].Upstream).account(w.accounts[i].Client).cooling(&w.accounts[i], now); c.Class != "" && !c.Soft && c.Until.Before(next) {
			next = c.Until
		}
	}
	return next
}

// retry lets those go on who may, in the lines that w stands in.
func (t *Tracker) retry(w *waiter) {
	t.queue.Lock()
	defer t.queue.Unlock()
	t.moveAll(w)
}

func (t *Tracker) moveAll(w *waiter) {
	for _, h := range w.hosts {
		if h != nil {
			t.moveOn(h)
		}
	}
}

// join puts w into the lines that it may wait in.
func (t *Tracker) join(w *waiter) {
	t.queue.Lock()
	defer t.queue.Unlock()
	now := time.Now()
	for i := range w.accounts {
		a := &w.accounts[i]
		h, until := t.of(a.Upstream).host, now.Add(a.Queue.Wait)
		if len(h.line) >= a.Queue.Max || !t.opens(a, now, until) {
			continue
		}
		w.hosts[i] = h
		h.line = append(h.line, w)
		h.queued.Add(1)
		if until.After(w.until) {
			w.until = until
		}
	}
	t.moveAll(w) // a place that was given back before w stood there
}

// opens reports whether an account may take a request by a moment, as far as anybody can tell.
func (t *Tracker) opens(a *engine.Account, now, by time.Time) bool {
	v := t.Look(a, now)
	return v.Reopens == 0 && (v.Cooling.Class == "" || v.Cooling.Soft || !v.Cooling.Until.After(by))
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

// moveOn gives what places there are to the first in line whose account takes requests. How many there are the last in line knows: the
// others may have come before a reload. The queue is held.
func (t *Tracker) moveOn(h *host) {
	if len(h.line) == 0 {
		return
	}
	last := h.line[len(h.line)-1]
	most := last.accounts[slices.Index(last.hosts, h)].Concurrency
	for i := 0; i < len(h.line); {
		w := h.line[i]
		at := slices.Index(w.hosts, h)
		a := w.accounts[at]
		if !h.squeeze(most) {
			return
		}
		v := t.admit(h, t.of(a.Upstream).account(a.Client), a)
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

// dismiss sends away who waits at a host for an account that takes no request in time any more: where a client stands in no other line it
// is told at once.
func (t *Tracker) dismiss(h *host) {
	if h.queued.Load() == 0 {
		return
	}
	t.queue.Lock()
	defer t.queue.Unlock()
	now := time.Now()
	for _, w := range slices.Clone(h.line) {
		at := slices.Index(w.hosts, h)
		if t.opens(&w.accounts[at], now, w.until) {
			select {
			case w.stir <- struct{}{}:
			default:
			}
			continue
		}
		t.unline(w, at)
		if !w.over && !slices.ContainsFunc(w.hosts, func(h *host) bool { return h != nil }) {
			w.over = true
			close(w.came)
		}
	}
}
