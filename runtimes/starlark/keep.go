package starlark

import (
	"sluice/engine"
	"sluice/runtimes"

	sky "go.starlark.net/starlark"
)

// kept returns the dict that earlier calls left in s, or a new one. It is the script's to write to.
func kept(s *engine.State) *sky.Dict {
	if d, ok := s.Kept.(*sky.Dict); ok {
		return d
	}
	return new(sky.Dict)
}

// keep leaves d in s for the next call, which no other call has: a script's globals are frozen. An error is an *engine.OutputError.
func keep(s *engine.State, d *sky.Dict) error {
	s.Kept = nil
	if d.Len() == 0 {
		return nil
	}
	var k keeper
	k.eachEntry = k.entry
	if err := k.value(d); err != nil {
		return err
	}
	s.Kept = d
	return nil
}

// keeper walks over what is kept.
type keeper struct {
	runtimes.Kept
	eachEntry func(key, value sky.Value) bool // entry, made once: a method value costs an allocation
	err       error                           // of an entry
}

// entry walks over an entry of a dict, and reports whether to go on.
func (k *keeper) entry(key, value sky.Value) bool {
	if k.err = k.value(key); k.err == nil {
		k.err = k.value(value)
	}
	return k.err == nil
}

func (k *keeper) value(v sky.Value) error {
	text, _ := v.(sky.String)
	if err := k.Add(len(text)); err != nil {
		return err
	}
	switch v := v.(type) {
	case *sky.Dict:
		v.Entries()(k.eachEntry)
		return k.err
	case *sky.List:
		for i := range v.Len() {
			if err := k.value(v.Index(i)); err != nil {
				return err
			}
		}
	case sky.Tuple:
		for _, element := range v {
			if err := k.value(element); err != nil {
				return err
			}
		}
	case sky.NoneType, sky.Bool, sky.Int, sky.Float, sky.String:
	default:
		return runtimes.ErrNotKept(lower(v))
	}
	return nil
}
