package health

import (
	"strconv"
	"strings"
	"time"

	"sluice/engine"
)

// retryAfter is the moment that the answer asks to come back at, zero = none that is to come.
func (f *failure) retryAfter() time.Time {
	if wait, _ := f.Headers.RetryAfter(f.Now); wait > 0 {
		return f.near(wait)
	}
	return time.Time{}
}

// near is a moment after a wait, which no provider may choose freely.
func (f *failure) near(wait time.Duration) time.Time { return f.Now.Add(min(wait, mostFar)) }

// frees is when a throttle ends: as retry-after says, or at the earliest reset of a limit that is used up. Zero = nobody says.
func (f *failure) frees() time.Time {
	if at := f.retryAfter(); !at.IsZero() {
		return at
	}
	var told limits
	told.hear(f.Headers, f.Now)
	var earliest time.Time
	for _, r := range told.rates {
		if r.Remaining == 0 && r.Resets.After(f.Now) && (earliest.IsZero() || r.Resets.Before(earliest)) {
			earliest = r.Resets
		}
	}
	if earliest.IsZero() {
		return earliest
	}
	return f.near(earliest.Sub(f.Now))
}

// windows are how the headers call what unified-representative-claim names.
var windows = map[string]string{"five_hour": "5h", "seven_day": "7d", "seven_day_opus": "7d_opus", "seven_day_sonnet": "7d_sonnet"}

// exhausted is the rest of a subscription: until its window's reset, for the model family that the window is about.
func exhausted(f *failure) engine.Cooling {
	window := f.claim()
	c := engine.Cooling{Until: f.epoch(window + "-reset")}
	if _, family, found := strings.Cut(window, "_"); found {
		c.Scope, c.Family = family, true
		if f.To.Model != "" && !isOf(&f.To, family) { // a dialect asked for another model than it was given
			c.Scope, c.Family = f.To.Served(), false
		}
	}
	if c.Until.IsZero() {
		c.Until = f.epoch("reset")
	}
	if c.Until.IsZero() {
		c.Until = f.retryAfter()
	}
	if c.Until.IsZero() {
		c.Until = f.Now.Add(windowFor)
	}
	return c
}

// claim is the window that is used up: the one named, or else the rejected one that resets last.
func (f *failure) claim() string {
	name := strings.ToLower(f.Headers.Get(limitPrefix + unifiedPrefix + "representative-claim"))
	if window, known := windows[name]; known {
		return window
	}
	if family, found := strings.CutPrefix(name, "seven_day_"); found {
		return "7d_" + family
	}
	var told limits
	told.hear(f.Headers, f.Now)
	window, last := "", time.Time{}
	for _, q := range told.quotas {
		if q.Status == "rejected" && q.Window != "unified" && q.Window != "overage" && !q.Resets.Before(last) {
			window, last = q.Window, q.Resets
		}
	}
	return window
}

// epoch reads a reset in seconds since 1970, zero = it says none that is to come.
func (f *failure) epoch(field string) time.Time {
	secs, err := strconv.ParseInt(f.Headers.Get(limitPrefix+unifiedPrefix+field), 10, 64)
	if at := time.Unix(secs, 0); err == nil && at.After(f.Now) {
		return f.near(at.Sub(f.Now))
	}
	return time.Time{}
}
