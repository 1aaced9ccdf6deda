package lua

import (
	"errors"

	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// method is x:m, a function that knows its receiver by the first argument. Each state makes it once.
func (s *state) method(t *hostType, m *runtimes.Method) glua.LValue {
	if f := t.methods[m.Name]; f != nil {
		return f
	}
	f := s.function(func(L *glua.LState) int {
		h := hostOf(L.Get(1))
		if h == nil || h.of.Type != t.of {
			L.RaiseError("%s is a method, want %s:%s(…)", m.Name, t.of.Name, m.Name)
		}
		s.live(h)
		return s.invoke(L, m, h.of.Ref, 2)
	})
	t.methods[m.Name] = f
	return f
}

// libraryFunction is lib.f, or f where the library has no name. The library's own table as the first argument means a colon instead of a
// dot.
func (s *state) libraryFunction(lib *glua.LTable, name string, m *runtimes.Method) *glua.LFunction {
	return s.function(func(L *glua.LState) int {
		if lib != nil && L.Get(1) == lib {
			L.RaiseError("%s is a function, want %s.%s(…)", m.Name, name, m.Name)
		}
		return s.invoke(L, m, nil, 1)
	})
}

// invoke calls into package runtimes with the arguments from the first on.
func (s *state) invoke(L *glua.LState, m *runtimes.Method, receiver any, first int) int {
	args := s.args[:0]
	s.args = nil // a method that calls the script, which calls a method, finds none and makes its own
	for i := first; i <= L.GetTop(); i++ {
		args = append(args, lower(L.Get(i)))
	}
	var out runtimes.Value
	bound, err := m.BindTrailing(args)
	if err == nil {
		out, err = m.Run(s.call, receiver, bound)
	}
	clear(args[:cap(args)])
	s.args = args
	if err != nil {
		s.raise(err)
	}
	L.Push(s.lift(s.call, out))
	return 1
}

// invokeFunction runs a function of the script for a method that took it, as pcall does. An error has no position.
func (s *state) invokeFunction(f runtimes.Value) error {
	top := s.L.GetTop()
	s.L.Push(s.quietly)
	s.L.Push(f.Ref.(*glua.LFunction))
	err := s.protect(s.L, 1)
	s.L.SetTop(top)
	if err == nil {
		return nil
	}
	s.mayCatch(err)
	return errors.New(s.failed(s.call.Hook, err).Message)
}
