package lua

import (
	"hash/maphash"
	"math"
	"unsafe"

	glua "github.com/yuin/gopher-lua"
)

// maxLocals bounds what is looked through for a change, in values. A text is as many as it has localText bytes.
const (
	maxLocals = 2000
	localText = 64
)

// locals is a digest of all that the functions of loaded files can find beside their arguments: the local variables that they share, and
// what those lead to. It is the same as long as none of it was written to. False: there is too much to look through.
func (s *state) locals() (sum uint64, ok bool) {
	d := digest{seen: make(map[unsafe.Pointer]bool)}
	d.hash.SetSeed(localsSeed)
	d.add(s.main.value)
	d.add(s.main.globals)
	for _, path := range s.opened {
		if m := s.loaded[path]; m != nil {
			d.add(m.value)
			d.add(m.globals)
		}
	}
	for len(d.open) > 0 {
		if len(d.seen) > maxLocals || d.values > maxLocals {
			return 0, false
		}
		v := d.open[len(d.open)-1]
		d.open = d.open[:len(d.open)-1]
		d.visit(v)
	}
	return d.hash.Sum64(), true
}

// asLoaded reports whether no call has left anything in a file's local variables: what it decides follows from its arguments alone.
func (c *call) asLoaded() bool {
	return c.of.manifest.Fresh || c.state.asLoaded()
}

func (s *state) asLoaded() bool {
	sum, ok := s.locals()
	return ok && sum == s.untouched
}

var localsSeed = maphash.MakeSeed()

// digest walks over values, each table and function once.
type digest struct {
	hash   maphash.Hash
	seen   map[unsafe.Pointer]bool
	open   []glua.LValue
	values int
}

func (d *digest) add(v glua.LValue) {
	d.values++
	switch v := v.(type) {
	case glua.LString:
		d.number(uint64(len(v)))
		if d.values += len(v) / localText; d.values <= maxLocals {
			_, _ = d.hash.WriteString(string(v))
		}
	case glua.LNumber:
		d.number(math.Float64bits(float64(v)))
	case glua.LBool:
		if v {
			d.number(1)
		}
		d.number(2)
	case *glua.LTable:
		d.reference(unsafe.Pointer(v), v)
	case *glua.LFunction:
		d.reference(unsafe.Pointer(v), v)
	case *glua.LUserData:
		d.reference(unsafe.Pointer(v), v)
	default:
		d.number(3)
	}
}

func (d *digest) number(n uint64) {
	var b [8]byte
	for i := range b {
		b[i] = byte(n >> (8 * i))
	}
	_, _ = d.hash.Write(b[:])
}

// reference notes which value it is, and has it visited the first time.
func (d *digest) reference(p unsafe.Pointer, v glua.LValue) {
	d.number(uint64(uintptr(p)))
	if !d.seen[p] {
		d.seen[p] = true
		d.open = append(d.open, v)
	}
}

func (d *digest) visit(v glua.LValue) {
	switch v := v.(type) {
	case *glua.LFunction:
		for _, up := range v.Upvalues {
			d.add(up.Value())
		}
	case *glua.LTable:
		d.add(v.Metatable)
		t := behind(v)
		d.add(t.Metatable)
		d.places(peekTable(t))
	}
}

// places notes what is where in a table, and where something was: its length, and the order of pairs, depend on that.
func (d *digest) places(t *peekedTable) {
	d.number(uint64(len(t.array)))
	for i := 0; i < len(t.array) && d.values <= maxLocals; i++ {
		d.add(t.array[i])
	}
	for i := 0; i < len(t.keys) && d.values <= maxLocals; i++ {
		d.add(t.keys[i])
		if text, ok := t.keys[i].(glua.LString); ok {
			d.add(t.strdict[string(text)])
		} else {
			d.add(t.dict[t.keys[i]])
		}
	}
}
