package engine

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// Standings keeps the standing of each version of each script across generations.
type Standings struct {
	// Log is told when a script is put aside, and when it is back. Nil drops it. Set it first.
	Log func(script string, a Aside, back bool)

	mu sync.Mutex
	m  map[[2]string]*Standing // by path and version; guarded by mu
}

// For returns the standing of the version of a script that is to serve, new when it is the first time. Other versions of it are
// forgotten, unless they are put aside: going back to what could not be stopped does not start it again.
func (ss *Standings) For(script, version string) *Standing {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	key := [2]string{script, version}
	if ss.m == nil {
		ss.m = make(map[[2]string]*Standing)
	}
	if ss.m[key] == nil {
		ss.m[key] = &Standing{Script: script, Version: version, log: ss.Log}
	}
	maps.DeleteFunc(ss.m, func(k [2]string, s *Standing) bool {
		return k[0] == script && k[1] != version && s.aside.Load() == nil
	})
	return ss.m[key]
}

// All lists them by path, for reports.
func (ss *Standings) All() []*Standing {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return slices.SortedFunc(maps.Values(ss.m), func(a, b *Standing) int {
		return strings.Compare(a.Script+"\x00"+a.Version, b.Script+"\x00"+b.Version)
	})
}
