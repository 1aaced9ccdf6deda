package engine

import (
	"maps"
	"sync"
)

// Standings keeps the standing of each version of each script across generations.
type Standings struct {
	// Log is told when a script is put aside, and when it is back. Nil drops it. Set it first.
	Log func(script string, a Aside, back bool)

	mu      sync.Mutex
	m       map[[2]string]*Standing // by path and version; guarded by mu
	tallies map[string]*Tally       // by path; guarded by mu
}

// For returns the standing of the version of a script that is to serve, new when it is the first time. Other versions of it are
// forgotten, unless they are put aside or a call of them still runs: going back to what could not be stopped does not start it again.
func (ss *Standings) For(script, version string) *Standing {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	key := [2]string{script, version}
	if ss.m == nil {
		ss.m, ss.tallies = make(map[[2]string]*Standing), make(map[string]*Tally)
	}
	if ss.tallies[script] == nil {
		ss.tallies[script] = &Tally{}
	}
	if ss.m[key] == nil {
		ss.m[key] = &Standing{Tally: ss.tallies[script], Script: script, log: ss.Log}
	}
	maps.DeleteFunc(ss.m, func(k [2]string, s *Standing) bool {
		if k[0] == script {
			s.serve(k[1] == version)
		}
		return k[0] == script && k[1] != version && s.aside.Load() == nil && s.away.Load() == 0
	})
	return ss.m[key]
}

// Get returns the standing of a version and what all versions of its script counted; nil where it never served.
func (ss *Standings) Get(script, version string) *Standing {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.m[[2]string{script, version}]
}
