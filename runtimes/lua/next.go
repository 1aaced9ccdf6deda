package lua

import (
	glua "github.com/yuin/gopher-lua"
)

// nextEntry is next(t, key), and what pairs steps with: places of the array first, then keys in the order in which they were first set.
// It charges for every place and key that has nothing any more.
func (s *state) nextEntry(L *glua.LState) int {
	t := peekTable(behind(L.CheckTable(1)))
	k, v := s.entryAfter(L, t, L.Get(2))
	L.Push(k)
	if k == glua.LNil {
		return 1
	}
	L.Push(v)
	return 2
}

func (s *state) entryAfter(L *glua.LState, t *peekedTable, key glua.LValue) (k, v glua.LValue) {
	at, inArray := position(key)
	if !inArray {
		s.key(L, key)
		i, found := t.k2i[key]
		if !found {
			L.RaiseError("next: the table has no such key")
		}
		return s.keyFrom(L, t, i+1)
	}
	for i := at; i < len(t.array); i++ {
		if v := t.array[i]; v != glua.LNil {
			return number(float64(i + 1)), v
		}
		if i&15 == 0 {
			s.spend(L, 1)
		}
	}
	return s.keyFrom(L, t, 0)
}

// position is the place in the array that a walk goes on from.
func position(key glua.LValue) (int, bool) {
	if key == glua.LNil {
		return 0, true
	}
	n, ok := key.(glua.LNumber)
	i := int(n)
	return i, ok && glua.LNumber(i) == n && 0 < i && i <= maxCount
}

// keyFrom is the first key from place i on that has a value.
func (s *state) keyFrom(L *glua.LState, t *peekedTable, i int) (k, v glua.LValue) {
	for ; i < len(t.keys); i++ {
		key := t.keys[i]
		if text, ok := key.(glua.LString); ok {
			v, ok = t.strdict[string(text)]
			if ok {
				return key, v
			}
		} else if v, ok = t.dict[key]; ok {
			return key, v
		}
		s.spend(L, 2)
	}
	return glua.LNil, glua.LNil
}
