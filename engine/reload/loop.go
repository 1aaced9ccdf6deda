package reload

import "time"

const (
	// rest is the least time between the end of a build and the next; a build that took longer is given as long, up to mostRest.
	rest     = 20 * time.Millisecond
	mostRest = time.Second
	// patience is how long a forced round waits for files that are being written.
	patience = time.Second
	// again is how long after a build what found no memory, or was put off, is tried once more.
	again = time.Second
)

// timing is what run remembers from one step to the next.
type timing struct {
	looked  time.Time      // when the disk was last read
	held    bool           // a file that was being written holds the next build up
	ripe    time.Time      // since when something new waits to be built, zero = nothing does
	rested  time.Time      // when the next build may begin
	again   time.Time      // when something that found no memory, or was put off, is as good as new, zero = nothing did
	waiting []chan Outcome // who asked for a round
	asked   bool           // somebody did since the last look
	since   time.Time      // when the first of them did
}

// run is the loop's goroutine.
func (l *Loop) run() {
	defer close(l.ended)
	defer l.disk.watch.close()
	l.looked = time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(time.Until(l.nextStep()))
		select {
		case <-l.stopped:
			return
		case <-timer.C:
		case ev := <-l.disk.watch.events:
			l.disk.note(ev)
		case <-l.disk.watch.errors:
			l.disk.lost()
		case answer := <-l.asks:
			l.ask(answer)
		}
		if l.asked || !time.Now().Before(l.nextStep()) {
			l.step()
		}
	}
}

// ask takes in all who ask at this moment: they share a round.
func (l *Loop) ask(answer chan Outcome) {
	if len(l.waiting) == 0 {
		l.since = time.Now()
	}
	l.asked = true
	for {
		l.waiting = append(l.waiting, answer)
		select {
		case answer = <-l.asks:
		default:
			return
		}
	}
}

// nextStep is when the disk must be read again if nothing happens. What waits to be built waits for those who ask.
func (l *Loop) nextStep() time.Time {
	at := l.disk.marks.next(l.looked.Add(l.options.Poll))
	switch {
	case len(l.waiting) > 0:
		return earlier(at, l.since.Add(patience))
	case !l.ripe.IsZero() && l.held:
		return earlier(at, later(l.rested, l.ripe.Add(still)))
	case !l.ripe.IsZero():
		return earlier(at, l.rested)
	case !l.again.IsZero():
		return earlier(at, l.again)
	}
	return at
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// step reads the disk and builds if it is time.
func (l *Loop) step() {
	l.asked = false
	l.held = l.disk.look() > 0
	l.looked = time.Now()
	if l.disk.trouble == nil && l.troubles["disk"] != "" {
		l.news = append(l.news, News{State: Live, Path: l.disk.root})
	}
	l.trouble("disk", l.disk.trouble)
	l.trouble("watch", l.disk.watch.trouble)
	l.tell()
	changed := l.stale() || !l.again.IsZero() && !l.looked.Before(l.again)
	if !changed {
		l.ripe = time.Time{}
	} else if l.ripe.IsZero() {
		l.ripe = l.looked
	}
	if !l.due(changed) {
		return
	}
	begin := time.Now()
	outcome := l.round(len(l.waiting) > 0)
	for _, answer := range l.waiting {
		answer <- outcome
	}
	l.waiting, l.ripe = nil, time.Time{}
	l.rested, l.again = time.Now().Add(min(max(rest, time.Since(begin)), mostRest)), time.Time{}
	if passing(l.refused) || l.scripts.again() {
		l.again = time.Now().Add(again)
	}
}

// stale reports whether something reads differently from when it was last tried.
func (l *Loop) stale() bool {
	for k, sum := range l.tried {
		if l.disk.sum(k) != sum {
			return true
		}
	}
	return false
}

// due reports whether to build now. Files that are being written hold a build up, since they may belong together with what is new, but
// no longer than it takes a file to settle; a forced round waits longer.
func (l *Loop) due(changed bool) bool {
	if len(l.waiting) > 0 {
		return !l.held || l.looked.Sub(l.since) >= patience
	}
	return changed && !l.looked.Before(l.rested) && (!l.held || l.looked.Sub(l.ripe) >= still)
}
