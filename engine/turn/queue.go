package turn

import "slices"

// queue is who waits for a seat: those whom the same work is for in one line, and the lines take turns. The zero value is empty.
type queue struct {
	len   int
	begun [levels]int // of those: whose work has begun, and held so much then
	lines []*line     // none is empty; the next one first
	of    map[string]*line
}

// line is who waits of one. Those who held most are the first, and those whose work has not begun the last, so that little is in the midst of it.
type line struct {
	of    string
	seats []*Seat
}

// put puts s in its line.
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
	q.count(s, 1)
	l.seats = slices.Insert(l.seats, l.place(s), s)
}

func (l *line) place(s *Seat) int {
	if s.begun == nothing {
		return len(l.seats)
	}
	at := 0
	for at < len(l.seats) && l.seats[at].begun > s.begun {
		at++
	}
	return at
}

// next takes the first of the next line that may go on. The queue is not empty.
func (q *queue) next() *Seat {
	i := slices.IndexFunc(q.lines, q.may)
	l := q.lines[i]
	q.lines = slices.Delete(q.lines, i, i+1)
	s := l.seats[0]
	l.seats = slices.Delete(l.seats, 0, 1)
	if q.count(s, -1); len(l.seats) > 0 {
		q.lines = append(q.lines, l)
	} else {
		delete(q.of, l.of)
	}
	return s
}

// may reports whether the first of a line may go on: it holds what it is to hold, or few others that wait hold as much. So may always one of
// those who hold most of all.
func (q *queue) may(l *line) bool {
	s := l.seats[0]
	return s.begun >= s.holds || q.begun[s.holds] < midst[s.holds]
}

func (q *queue) count(s *Seat, n int) {
	q.len += n
	for h := Little; h <= s.begun; h++ {
		q.begun[h] += n
	}
}

// long reports whether so many wait in a line.
func (q *queue) long(of string, n int) bool {
	l := q.of[of]
	return l != nil && len(l.seats) >= n
}

// others reports whether anybody's work may go on but this one's.
func (q *queue) others(of string) bool {
	return slices.ContainsFunc(q.lines, func(l *line) bool { return l.of != of && q.may(l) })
}
