package lua

import (
	"sluice/engine"
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// What a script keeps of an attempt goes from call to call, and with it from interpreter to interpreter. A table that a file-level local
// still leads to must not be the one that another interpreter works on. So it is copied when a call ends, unless the meter has seen that
// the call left no way to it: see meter.store.

// keptState is what is kept between two calls.
type keptState struct {
	of  *glua.LTable
	all []*glua.LTable // of, and all tables below it; nil = too many
}

// maxFollowed is how many tables the meter follows: it looks through them whenever a table is put anywhere.
const maxFollowed = 32

// kept returns the table that earlier calls left in s, or a new one. It is the script's to write to.
func (c *call) kept(s *engine.State) *glua.LTable {
	k, ok := s.Kept.(*keptState)
	if !ok {
		return c.L.CreateTable(0, 0)
	}
	c.meter.follow(k.all)
	return k.of
}

// keep leaves t, which kept returned, or a copy of it in s for the next call. It returns about what that takes, in bytes. An error is an
// *engine.OutputError.
func (c *call) keep(s *engine.State, t *glua.LTable) (int64, error) {
	before := s.Kept
	s.Kept = nil
	if first, _ := t.Next(glua.LNil); first == glua.LNil {
		return 0, nil
	}
	var n runtimes.Kept
	if before != nil && !c.meter.stored && compact(t, &n) {
		s.Kept = before
		return n.Size(), nil
	}
	k := keeper{s: c.state}
	kept, err := k.table(t)
	if err != nil {
		return 0, err
	}
	if len(k.all) > maxFollowed {
		k.all = nil
	}
	s.Kept = &keptState{kept, k.all}
	return k.Size(), nil
}

// leave ends a call that has made so many bytes of a body or of events and keeps t, unless that is nil: that outlasts it. An error is an
// *engine.OutputError, or the budget's.
func (c *call) leave(s *engine.State, t *glua.LTable, made int) error {
	var err error
	if t != nil {
		var kept int64
		if kept, err = c.keep(s, t); err != nil {
			return err
		}
		err = c.Memory.LeaveKept(s, kept)
	}
	if err == nil {
		err = c.Memory.LeaveMade(s, made)
	}
	if err != nil {
		c.meter.stop(engine.BudgetTotalMemory, err.Error())
	}
	return err
}

// compact reports whether t, which n counts, is as a copy of it would be: without places of what is gone. What is rare in a state is left to
// the copy, and so is what cannot be kept.
func compact(t *glua.LTable, n *runtimes.Kept) bool {
	p := peekTable(t)
	if n.Add(0) != nil || t.Metatable != glua.LNil && t.Metatable != glua.LValue(listMetatable) ||
		cap(p.array) > 2*len(p.array)+maxPresized || len(p.dict) > 0 || len(p.keys) > len(p.strdict) {
		return false
	}
	for _, v := range p.array {
		if !compactValue(v, n) {
			return false
		}
	}
	for key, v := range p.strdict {
		if n.Add(len(key)) != nil || !compactValue(v, n) {
			return false
		}
	}
	return true
}

func compactValue(v glua.LValue, n *runtimes.Kept) bool {
	switch of := v.(type) {
	case glua.LString:
		return n.Add(len(of)) == nil
	case glua.LNumber, glua.LBool:
		return n.Add(0) == nil
	case *glua.LTable:
		return compact(of, n)
	}
	return false
}

// maxPresized bounds the room that a copy has from the start: what is too large to be kept is noticed on the way.
const maxPresized = 64

// keeper copies what can be kept: what belongs to no interpreter and no call.
type keeper struct {
	runtimes.Kept
	s      *state
	all    []*glua.LTable          // that were made
	first  glua.LValue             // that all others are below
	copies map[glua.LValue]*copied // of what was met; nil: that is the first alone, as in most states
}

// copied is what became of a table.
type copied struct {
	of   *glua.LTable
	size runtimes.Kept
}

// table copies a table, or a list or map of the gateway, once, however many ways lead to it: a write by one of them is seen by all. It
// counts for each.
func (k *keeper) table(v glua.LValue) (*glua.LTable, error) {
	switch {
	case k.first == nil:
		k.first = v
		return k.copy(v)
	case k.copies == nil:
		k.copies = map[glua.LValue]*copied{k.first: {size: runtimes.Endless}}
	}
	if c := k.copies[v]; c != nil {
		return c.of, k.Repeat(c.size)
	}
	c, before := &copied{size: runtimes.Endless}, k.Kept
	k.copies[v] = c
	var err error
	c.of, err = k.copy(v)
	c.size = k.Since(before)
	return c.of, err
}

func (k *keeper) copy(v glua.LValue) (*glua.LTable, error) {
	t, ok := v.(*glua.LTable)
	if !ok {
		return k.view(hostOf(v).of)
	}
	if err := k.Add(0); err != nil {
		return nil, err
	}
	t = behind(t)
	mark := t.Metatable == glua.LValue(listMetatable)
	if !mark && t.Metatable != glua.LNil {
		return nil, runtimes.NotKept("a table with a metatable")
	}
	size := peekTable(t)
	if !mark && len(size.array)+len(size.dict) == 0 {
		return k.texts(size)
	}
	// It belongs to no interpreter. One that is made without a size has room for 32 keys, which is most of what a copy costs.
	out := (*glua.LState)(nil).CreateTable(min(len(size.array), maxPresized), min(len(size.keys), maxPresized))
	if mark {
		out.Metatable = listMetatable
	}
	k.all = append(k.all, out)
	for i, v := range size.array { // a hole counts as a value, since it takes as much room
		v, err := k.value(v)
		if err != nil {
			return nil, err
		}
		out.RawSetInt(i+1, v)
	}
	for _, key := range size.keys {
		v := t.RawGet(key)
		if v == glua.LNil { // set to nothing
			continue
		}
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
	out := newMap(keys, values)
	k.all = append(k.all, out)
	return out, nil
}

func (k *keeper) value(v glua.LValue) (glua.LValue, error) {
	switch of := v.(type) {
	case glua.LString:
		return v, k.Add(len(of)) // v as it is: boxing it again allocates
	case *glua.LTable:
		return k.table(of)
	case *glua.LUserData:
		if h := hostOf(v); h != nil {
			return k.host(h)
		}
		if _, isNumber := of.Value.(engine.Number); !isNumber && of != null {
			return nil, runtimes.ErrNotKept(lower(v))
		}
	case *glua.LFunction:
		return nil, runtimes.ErrNotKept(lower(v))
	}
	return v, k.Add(0)
}

// host copies a list or map of the gateway. All else of it belongs to its call.
func (k *keeper) host(h *host) (glua.LValue, error) {
	switch {
	case h.of.Kind == runtimes.Host:
		return nil, runtimes.ErrNotKept(h.of)
	case h.call != nil && h.call.Over:
		return nil, runtimes.NotKept("a " + h.typeName() + " of an earlier call")
	}
	t, err := k.table(&h.LUserData)
	if err == nil {
		err = k.s.meter.tick() // its texts are made, and paid for, as they are read
	}
	return t, err
}

// view copies a list or map of the gateway, which becomes the script's own.
func (k *keeper) view(v runtimes.Value) (*glua.LTable, error) {
	if err := k.Add(0); err != nil {
		return nil, err
	}
	if l, ok := v.Ref.(runtimes.Lister); ok {
		return k.viewedList(l)
	}
	return k.viewedMap(v.Ref.(runtimes.Mapper))
}

func (k *keeper) viewedList(l runtimes.Lister) (*glua.LTable, error) {
	out := (*glua.LState)(nil).CreateTable(min(l.Len(), maxPresized), 0)
	out.Metatable = listMetatable
	k.all = append(k.all, out)
	for i := range l.Len() {
		v, err := k.viewed(l.At(i))
		if err != nil {
			return nil, err
		}
		out.RawSetInt(i+1, v)
	}
	return out, nil
}

func (k *keeper) viewedMap(m runtimes.Mapper) (*glua.LTable, error) {
	out := (*glua.LState)(nil).CreateTable(0, min(m.Len(), maxPresized))
	k.all = append(k.all, out)
	var err error
	m.Each(func(key string, v runtimes.Value) bool {
		var copied glua.LValue
		if err = k.Add(len(key)); err == nil {
			copied, err = k.viewed(v)
		}
		if err == nil {
			out.RawSetString(key, copied)
		}
		return err == nil
	})
	return out, err
}

// viewed copies what a list or map of the gateway holds.
func (k *keeper) viewed(v runtimes.Value) (glua.LValue, error) {
	switch v.Kind {
	case runtimes.List, runtimes.Map:
		return k.view(v)
	case runtimes.Host:
		return nil, runtimes.ErrNotKept(v)
	}
	return k.value(k.s.lift(nil, v))
}
