package limits

import "time"

// slots is into how many parts a window is cut: an amount counts for the window's length and at most one part of it longer.
const slots = 60

// window sums what was spent over the last span of time, whatever its length. It is guarded by its account.
type window struct {
	width time.Duration // of a slot
	spent [slots + 1]int64
	sum   int64
	now   int64 // the number of the slot that takes new amounts, counted from the zero of the book's clock
}

func newWindow(span time.Duration) *window {
	return &window{width: max(1, (span+slots-1)/slots)}
}

// advance drops what is older than the window. Time never goes back here: an earlier moment changes nothing.
func (w *window) advance(at time.Duration) {
	now := int64(at / w.width)
	if now-w.now > slots {
		w.spent, w.sum, w.now = [slots + 1]int64{}, 0, now
		return
	}
	for w.now < now {
		w.now++
		old := &w.spent[w.now%(slots+1)]
		w.sum -= *old
		*old = 0
	}
}

// add books an amount at a moment, which may be a past one. What has left the window by then is not booked.
func (w *window) add(at time.Duration, amount int64) {
	w.advance(at)
	slot := int64(at / w.width)
	if w.now-slot > slots {
		return
	}
	w.spent[slot%(slots+1)] += amount
	w.sum += amount
}

// frees is how long after a moment it takes until at most that much is spent, if nothing is added.
func (w *window) frees(at time.Duration, most int64) time.Duration {
	left := w.sum
	for slot := w.now - slots; slot <= w.now && left > most; slot++ {
		if slot < 0 {
			continue
		}
		left -= w.spent[slot%(slots+1)]
		if left <= most {
			return max(0, time.Duration(slot+slots+1)*w.width-at)
		}
	}
	return 0
}
