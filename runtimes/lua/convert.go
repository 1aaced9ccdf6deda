package lua

import (
	"errors"
	"fmt"

	"sluice/engine"
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// lower returns a value of the language as the gateway sees it. Nothing is copied or allocated.
func lower(v glua.LValue) runtimes.Value {
	switch v := v.(type) {
	case glua.LBool:
		return runtimes.OfBool(bool(v))
	case glua.LNumber:
		if whole(v) {
			return runtimes.OfInt(int64(v))
		}
		return runtimes.OfFloat(float64(v))
	case glua.LString:
		return runtimes.OfString(string(v))
	case *glua.LTable:
		return lowerTable(v)
	case *glua.LUserData:
		return lowerUserData(v)
	case *glua.LFunction:
		return runtimes.OfOwn(v)
	}
	return runtimes.Value{}
}

func lowerUserData(ud *glua.LUserData) runtimes.Value {
	switch v := ud.Value.(type) {
	case *host:
		return v.of
	case engine.Number:
		return runtimes.OfOwn(v)
	}
	return runtimes.Value{} // json.null
}

// lowerTable decides what a table is: a list if it is marked as one or has something at a position, else a map. An empty table without
// a mark is a map that can also be seen as a list, since Lua writes both alike.
func lowerTable(t *glua.LTable) runtimes.Value {
	of := behind(t)
	trim(of)
	if marked(t) || len(peekTable(of).array) > 0 {
		return runtimes.OfList(table{t})
	}
	return runtimes.OfMap(table{t})
}

// lift returns a value of the gateway as one of the language. Host values in it live as long as the call; nil is for ever.
func (s *state) lift(c *runtimes.Call, v runtimes.Value) glua.LValue {
	switch v.Kind {
	case runtimes.Bool:
		return glua.LBool(v.Bool())
	case runtimes.Int:
		return s.liftInt(v.Int())
	case runtimes.Float:
		s.meter.take(boxBytes)
		return number(v.Float())
	case runtimes.String:
		s.meter.take(boxBytes)
		return glua.LString(v.Str)
	case runtimes.List, runtimes.Map:
		if t, ok := v.Ref.(table); ok {
			return t.of
		}
		return s.newHost(c, v)
	case runtimes.Host:
		return s.newHost(c, v)
	case runtimes.Own:
		return s.liftOwn(v.Ref)
	}
	return glua.LNil
}

func (s *state) liftInt(n int64) glua.LValue {
	if n >= int64(len(small)) || n < 0 {
		s.meter.take(boxBytes)
	}
	if n < -exact || n > exact {
		return s.bigInteger(engine.Number(fmt.Sprint(n)))
	}
	return number(float64(n))
}

func (s *state) liftOwn(v any) glua.LValue {
	switch v := v.(type) {
	case glua.LValue:
		return v
	case engine.Number:
		return s.bigInteger(v)
	}
	panic(fmt.Sprintf("BUG: a script was given a %T", v))
}

// table is a table of a script, seen from outside as a list or as a map. What it stands for is looked at, not kept: a script that is given
// it back must not get what a read-only one shows.
type table struct{ of *glua.LTable }

var (
	_ runtimes.Lister  = table{}
	_ runtimes.Mapper  = table{}
	_ runtimes.Checked = table{}
)

// Len counts the elements of a list, or the entries of a map.
func (t table) Len() int {
	of := behind(t.of)
	trim(of)
	p := peekTable(of)
	if n := len(p.array); n > 0 {
		return n
	}
	return len(p.strdict) + len(p.dict)
}

func (t table) At(i int) runtimes.Value { return lower(behind(t.of).RawGetInt(i + 1)) }

func (t table) Get(key string) (runtimes.Value, bool) {
	v := behind(t.of).RawGetString(key)
	return lower(v), v != glua.LNil
}

func (t table) Each(f func(string, runtimes.Value) bool) string {
	p := peekTable(behind(t.of))
	for _, v := range p.array {
		if v != glua.LNil {
			return runtimes.TypeName(lower(small[1]))
		}
	}
	for _, k := range p.keys {
		key, ok := k.(glua.LString)
		if !ok {
			if p.dict[k] == nil {
				continue // it was set to nothing
			}
			return runtimes.TypeName(lower(k))
		}
		if v, ok := p.strdict[string(key)]; ok && !f(string(key), lower(v)) {
			break
		}
	}
	return ""
}

// Check refuses a list with holes or with other keys.
func (t table) Check() error {
	of := behind(t.of)
	trim(of)
	p := peekTable(of)
	n := len(p.array)
	for i, v := range p.array {
		if v == glua.LNil {
			return fmt.Errorf("a list has nothing at position %d of %d, want json.null there", i+1, n)
		}
	}
	if (n > 0 || marked(of)) && len(p.strdict)+len(p.dict) > 0 {
		return errors.New("a table has positions and other keys, want a list or a map")
	}
	return nil
}
