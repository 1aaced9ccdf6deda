package lua

import (
	"fmt"

	glua "github.com/yuin/gopher-lua"
)

// What the interpreter's values take, in bytes, as measured on a 64-bit machine with Go 1.26. Maps are an estimate: of a table that has
// grown key by key it is within a third of what was allocated.
const (
	slotBytes    = 16  // a value in a register, an array or a list of keys
	boxBytes     = 16  // the head of a text, or a number, as a value
	tableBytes   = 96  // an empty table
	keyedBytes   = 300 // what the first key of a table adds to keep keys in order
	fewKeyBytes  = 48  // a key of a table that has at most fewKeys
	keyBytes     = 300 // a key of any other table, with the growth of all maps that know it
	fewKeys      = 8
	mapBytes     = 48 // an empty map
	placeBytes   = 75 // a place of a map that was asked for at once
	groupBytes   = 288
	hashBytes    = mapBytes + 32*placeBytes // what the first text as a key makes
	closureBytes = 64
	upvalueBytes = 56 // one upvalue of a closure
	hostBytes    = 144
	frozenBytes  = 1536
	// comparedBytes is an element of a list of the gateway while it is compared.
	comparedBytes = 32
)

// newTableBytes is what a table made with room for so many elements and keys takes.
func newTableBytes(elements, keys int) int { return tableBytes + slotBytes*elements + roomBytes(keys) }

// roomBytes is what a map made for so many keys takes.
func roomBytes(keys int) int {
	switch {
	case keys == 0:
		return 0
	case keys <= fewKeys:
		return mapBytes
	default:
		return mapBytes + placeBytes*keys
	}
}

// filledBytes is what newMap takes for so many keys, with their boxes.
func filledBytes(keys int) int {
	n := tableBytes + (slotBytes+boxBytes)*keys
	switch {
	case keys == 0:
	case keys <= fewKeys:
		n += 2 * (mapBytes + groupBytes)
	default:
		n += 2 * (mapBytes + placeBytes*keys)
	}
	return n
}

// growth is what t[key] = v allocates, in bytes.
func growth(of *glua.LTable, key glua.LValue) int {
	t := peekTable(of)
	switch k := key.(type) {
	case glua.LString:
		return t.textGrowth(string(k))
	case glua.LNumber:
		if i := int(k); glua.LNumber(i) == k && 0 < i && i <= maxCount {
			if cap(t.array) < i && i-len(t.array) > far {
				return slotBytes * i // see reach
			}
			return t.arrayGrowth(i)
		}
	}
	if _, found := t.dict[key]; found {
		return 0
	}
	n := t.keyGrowth()
	if t.dict == nil {
		n += groupBytes + roomBytes(len(t.strdict))
	}
	return n
}

// textGrowth is growth for a text.
func (t *peekedTable) textGrowth(key string) int {
	if _, found := t.strdict[key]; found {
		return 0
	}
	n := t.keyGrowth()
	switch {
	case t.strdict == nil:
		n += hashBytes
	case len(t.strdict) == 0:
		n += groupBytes
	}
	return n
}

func (t *peekedTable) keyGrowth() int {
	switch n := len(t.k2i); {
	case t.k2i == nil:
		return keyedBytes
	case n < fewKeys:
		return fewKeyBytes
	default:
		return keyBytes
	}
}

// arrayGrowth is growth for position i. The places between are filled one by one.
func (t *peekedTable) arrayGrowth(i int) int {
	room := cap(t.array)
	if i <= room {
		return 0
	}
	n := 0
	if t.array == nil {
		room = 32
		n = slotBytes * room
	}
	for room < i {
		room = grown(room)
		n += slotBytes * room
	}
	return n
}

// full refuses a position that follows the last one a table can have: it would be found there, and not counted.
func full(t *glua.LTable, key glua.LValue) error {
	if n := len(peekTable(t).array) + 1; n > maxCount && key == glua.LNumber(n) {
		return fmt.Errorf("a table has %d elements, want at most %d", n, maxCount)
	}
	return nil
}

// grown is the room that a slice has after an append found it full.
func grown(room int) int {
	switch {
	case room == 0:
		return 1
	case room < 256:
		return 2 * room
	default:
		return room + (room+3*256)/4
	}
}

// receiver is the table that t[key] = v writes to, which is another one where t passes assignments on; nil if a function takes it.
func receiver(of glua.LValue, key glua.LValue) *glua.LTable {
	for range glua.MaxTableGetLoop {
		t, ok := of.(*glua.LTable)
		if ok && (t.Metatable == glua.LNil || t.RawGet(key) != glua.LNil) {
			return t
		}
		mt := metatableOf(of)
		if mt == nil {
			return t
		}
		if of = mt.RawGetString("__newindex"); of == glua.LNil {
			return t
		}
	}
	return nil
}

func metatableOf(v glua.LValue) *glua.LTable {
	var mt glua.LValue
	switch v := v.(type) {
	case *glua.LTable:
		mt = v.Metatable
	case *glua.LUserData:
		mt = v.Metatable
	}
	t, _ := mt.(*glua.LTable)
	return t
}
