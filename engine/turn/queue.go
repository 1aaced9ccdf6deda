package turn

import "slices"

// queue is who waits for a seat: those whom the same work is for in one line, and the lines take turns. The zero value is empty.
type queue struct {
	len   int
	begun int     // of those: whose work has begun
	lines []*line // none is empty; the next one first
	of    map[string]*line
}

type line struct {
	of    string
	seats []*Seat // the next one first
}

// put puts s in its line: as the first if its work has begun, so that little is in the midst, else as the last.
func (q *queue) put(s *Seat) {
	l := q.of[s.For]
	if l == nil {
		if q.of == nil {
			q.of = make(map[string]*line)
		}
		l = &line{of: s.For}
		q.of[s.For] = l
		q.lines = append(q.lines, l)
	}
	if q.len++; s.begun {
		q.begun++
		l.seats = slices.Insert(l.seats, 0, s)
	} else {
		l.seats = append(l.seats, s)
	}
}

// next takes the first of the next line, which is then the last one. The queue is not empty.
func (q *queue) next() *Seat {
	l := q.lines[0]
	q.lines = slices.Delete(q.lines, 0, 1)
	s := l.seats[0]
	l.seats = slices.Delete(l.seats, 0, 1)
	if s.begun {
		q.begun--
	}
	if q.len--; len(l.seats) > 0 {
		q.lines = append(q.lines, l)
	} else {
		delete(q.of, l.of)
	}
	return s
}

// long reports whether so many wait in a line.
func (q *queue) long(of string, n int) bool {
	l := q.of[of]
	return l != nil && len(l.seats) >= n
}

// others reports whether anybody's work waits but this one's.
func (q *queue) others(of string) bool {
	return len(q.lines) > 1 || len(q.lines) == 1 && q.lines[0].of != of
}
