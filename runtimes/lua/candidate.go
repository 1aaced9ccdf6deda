package lua

import (
	"sluice/engine"
	"sluice/runtimes"

	glua "github.com/yuin/gopher-lua"
)

// maxResident bounds the upstreams that a state keeps values of, beyond those of one call.
const maxResident = 1024

// candidate is an upstream's value in a state. It stays there from call to call and stands for what the call that runs knows of it. What
// the config says of the upstream answers at any time; the rest only while a call has it among its candidates.
type candidate struct {
	host
	runtimes.Candidate
	idle engine.UpstreamCandidate // what Candidate points to between calls
}

// candidates are those of the call that runs, in their order.
type candidates []*candidate

func (l *candidates) Len() int { return len(*l) }
func (l *candidates) At(i int) runtimes.Value {
	return runtimes.OfHost(runtimes.TypeCandidate, &(*l)[i].Candidate)
}

// hold makes values of a call's candidates. They answer until release.
func (c *call) hold(list []engine.UpstreamCandidate) *candidates {
	s := c.state
	for i := range list {
		resident := s.upstreams[list[i].Upstream]
		if resident == nil {
			resident = s.newCandidate(list[i].Upstream)
		}
		resident.call = &c.Call
		resident.Candidate = runtimes.Candidate{UpstreamCandidate: &list[i], Call: &c.Call}
		s.held = append(s.held, resident)
	}
	return &s.held
}

// release lets go of the call's candidates: their values answer nothing until the next call.
func (c *call) release() {
	for _, resident := range c.held {
		resident.rest()
	}
	c.held = c.held[:0]
}

// newCandidate makes the value of an upstream. What no call changes is lifted once, into a table that the interpreter looks into by
// itself; it asks Go for the rest.
func (s *state) newCandidate(u *engine.Upstream) *candidate {
	if len(s.upstreams) >= maxResident {
		clear(s.upstreams)
	}
	c := &candidate{idle: engine.UpstreamCandidate{Upstream: u, Vitals: new(engine.Vitals)}}
	c.rest()
	s.initHost(&c.host, c.call, runtimes.OfHost(runtimes.TypeCandidate, &c.Candidate))
	t := s.typeOf(runtimes.TypeCandidate)
	ready := s.L.CreateTable(0, len(t.of.Fields)+len(t.of.Methods))
	for i := range t.of.Fields {
		if f := &t.of.Fields[i]; f.Static {
			ready.RawSetString(f.Name, s.lift(nil, f.Get(&c.Candidate)))
		}
	}
	for i := range t.of.Methods {
		ready.RawSetString(t.of.Methods[i].Name, s.method(t, &t.of.Methods[i]))
	}
	ask := s.L.CreateTable(0, 1)
	ask.RawSetString("__index", s.function(func(L *glua.LState) int {
		s.live(&c.host)
		L.Push(s.field(&c.host, t, L.Get(2)))
		return 1
	}))
	ready.Metatable = ask
	c.Metatable = s.hostMetatable(ready, s.fieldWrite)
	s.upstreams[u] = c
	return c
}

// over stands for every call that is over.
var over = &runtimes.Call{Over: true}

// rest makes a candidate one of no call, so that it holds nothing of the last one.
func (c *candidate) rest() {
	c.call = over
	c.Candidate = runtimes.Candidate{UpstreamCandidate: &c.idle, Call: over}
}

func (c *candidate) value() glua.LValue { return &c.LUserData }
