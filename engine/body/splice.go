package body

import "slices"

// splice puts text in the place of a span.
type splice struct {
	span
	text []byte
}

// cut returns the splices that delete the items of w to drop, each with one of the commas beside it.
func cut(w walk, drop func(member) bool) []splice {
	var splices []splice
	run, end, kept := -1, -1, -1 // where a run of dropped items starts and ends, and where the last item that stays ends
	for m, ok := w.next(); ok; m, ok = w.next() {
		if drop(m) {
			if run < 0 {
				run = m.key.start
			}
			end = m.value.end
			continue
		}
		if run >= 0 {
			splices = append(splices, splice{span{run, m.key.start}, nil})
			run = -1
		}
		kept = m.value.end
	}
	switch {
	case run >= 0 && kept >= 0:
		splices = append(splices, splice{span{kept, end}, nil})
	case run >= 0:
		splices = append(splices, splice{span{run, end}, nil})
	}
	return splices
}

// apply makes the splices, which are in order and apart. Bytes that are not the Doc's own are copied first.
func (d *Doc) apply(splices []splice) {
	if len(splices) == 0 {
		return
	}
	t := &d.top
	if d.owned && len(splices) == 1 {
		s := splices[0]
		t.src = slices.Replace(t.src, s.start, s.end, s.text...)
	} else {
		t.src, t.members = rewrite(t.src, splices), slices.Clone(t.members)
	}
	if len(splices) > 1 {
		t.members = nil
	}
	for _, s := range splices {
		t.follow(s)
	}
	d.owned, d.changed = true, true
}

// rewrite returns a copy of b with the splices made, and some room to grow.
func rewrite(b []byte, splices []splice) []byte {
	size := len(b)
	for _, s := range splices {
		size += len(s.text)
	}
	out := make([]byte, 0, size+size/16+64)
	from := 0
	for _, s := range splices {
		out = append(append(out, b[from:s.start]...), s.text...)
		from = s.end
	}
	return append(out, b[from:]...)
}

// follow moves the root and its index to where they are after s was made. It gives the index up where s replaced the root.
func (t *Top) follow(s splice) {
	delta := len(s.text) - (s.end - s.start)
	t.root.end += delta
	if t.members == nil || s.start == t.root.start {
		t.members = nil
		return
	}
	last := len(t.members) - 1
	isMember := s.start == s.end && (last < 0 || s.start == t.members[last].value.end)
	t.members = slices.DeleteFunc(t.members, func(m member) bool {
		return s.start <= m.key.start && m.value.end <= s.end
	})
	for i := range t.members {
		m := &t.members[i]
		for _, p := range []*int{&m.key.start, &m.key.end, &m.value.start, &m.value.end} {
			if *p > s.start {
				*p += delta
			}
		}
	}
	if isMember {
		key := s.start
		if t.src[key] == ',' {
			key++
		}
		t.members = append(t.members, itemAt(t.src, key, Object))
	}
}
