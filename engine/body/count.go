package body

// Count is how many values a body holds: objects, lists and what is in them, itself among them. A body that is not JSON holds none.
func Count(b []byte) int {
	s := scanner{b: b, count: maxIndexed} // no index of the members
	if _, ok := s.whole(0); !ok {
		return 0
	}
	n := 1
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = skipText(b, i) - 1
		case ',':
			n++
		case '{', '[':
			if next := b[space(b, i+1)]; next != '}' && next != ']' {
				n++
			}
		}
	}
	return n
}
