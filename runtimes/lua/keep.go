package lua

import (
	"sluice/engine"
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// What a script keeps of an attempt goes from call to call, and with it from interpreter to interpreter. So it is copied when a call
// ends: a table that a file-level local still leads to must not be the one that another interpreter works on.

// kept returns the table that earlier calls left in s, or a new one. It is the script's to write to.
func (c *call) kept(s *engine.State) *glua.LTable {
	if t, ok := s.Kept.(*glua.LTable); ok {
		return t
	}
	return c.L.CreateTable(0, 0)
}

// keep leaves a copy of t in s for the next call. An error is an *engine.OutputError.
func keep(s *engine.State, t *glua.LTable) error {
	s.Kept = nil
	if first, _ := t.Next(glua.LNil); first == glua.LNil {
		return nil
	}
	var k keeper
	copied, err := k.table(t)
	if err != nil {
		return err
	}
	s.Kept = copied
	return nil
}

// maxPresized bounds the room that a copy has from the start: what is too large to be kept is noticed on the way.
const maxPresized = 64

// keeper copies what can be kept: what belongs to no interpreter.
type keeper struct{ runtimes.Kept }

func (k *keeper) table(t *glua.LTable) (*glua.LTable, error) {
	if err := k.Add(0); err != nil {
		return nil, err
	}
	mark := marked(t)
	t = behind(t)
	size := peekTable(t)
	if !mark && len(size.array)+len(size.dict) == 0 {
		return k.texts(size)
	}
	// It belongs to no interpreter. One that is made without a size has room for 32 keys, which is most of what a copy costs.
	out := (*glua.LState)(nil).CreateTable(min(len(size.array), maxPresized), min(len(size.keys), maxPresized))
	if mark {
		out.Metatable = listMetatable
	}
	for key, v := t.Next(glua.LNil); key != glua.LNil; key, v = t.Next(key) {
		key, err := k.value(key)
		if err != nil {
			return nil, err
		}
		if v, err = k.value(v); err != nil {
			return nil, err
		}
		out.RawSet(key, v)
	}
	return out, nil
}

// texts copies a table whose keys are all texts, as most are.
func (k *keeper) texts(p *peekedTable) (*glua.LTable, error) {
	room := min(len(p.strdict), maxPresized)
	keys, values := make([]glua.LValue, 0, room), make([]glua.LValue, 0, room)
	for _, key := range p.keys {
		text, _ := key.(glua.LString)
		v, found := p.strdict[string(text)]
		if !found { // set to nothing
			continue
		}
		if err := k.Add(len(text)); err != nil {
			return nil, err
		}
		v, err := k.value(v)
		if err != nil {
			return nil, err
		}
		keys, values = append(keys, key), append(values, v)
	}
	return newMap(keys, values), nil
}

func (k *keeper) value(v glua.LValue) (glua.LValue, error) {
	switch of := v.(type) {
	case glua.LString:
		return v, k.Add(len(of)) // v as it is: boxing it again allocates
	case *glua.LTable:
		return k.table(of)
	case *glua.LUserData:
		if _, isNumber := of.Value.(engine.Number); !isNumber && of != null {
			return nil, runtimes.ErrNotKept(lower(v))
		}
	case *glua.LFunction:
		return nil, runtimes.ErrNotKept(lower(v))
	}
	return v, k.Add(0)
}
