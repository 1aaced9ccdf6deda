package engine

import "sync"

// Loads is what a runtime made of one version of a script: bindings of it with the same config, budget and isolation share that. The zero
// value is ready. It may be used by many goroutines.
type Loads struct {
	mu     sync.Mutex
	made   map[loadKey]loaded // guarded by mu
	before map[loadKey]loaded // of the bindings that there were before; nil = there were none. Guarded by mu
}

// A Loading is what a runtime makes of a script.
type Loading interface {
	// TopLevel is what the script's top level allocated, in bytes, as it counts.
	TopLevel() int64
}

// loaded is what was made, or why it could not be.
type loaded struct {
	what Loading
	err  error
}

// Next is for the bindings of the same version in another config: they find what l has, until Settle. Nil has nothing.
func (l *Loads) Next() *Loads {
	if l == nil {
		return &Loads{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return &Loads{before: l.made}
}

// Settle forgets what no binding has asked for.
func (l *Loads) Settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before = nil
}

// TopLevels is what the top levels of all that was made allocated, in bytes.
func (l *Loads) TopLevels() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all int64
	for _, found := range l.made {
		if found.err == nil {
			all += found.what.TopLevel()
		}
	}
	return all
}

type loadKey struct {
	config string
	budget Budget
	fresh  bool
}

// Load returns what another binding with m's Loads has made, or else calls load. It fails as it did for another, but a script that was late
// has another try: the machine may have been busy.
func Load[T Loading](m *PluginManifest, load func() (T, error)) (T, error) {
	l := m.Loads
	if l == nil {
		return load()
	}
	key := loadKey{Plain(m.Config), m.Budget, m.Fresh}
	found, ok := l.find(key)
	if !ok {
		found.what, found.err = load()
	}
	if e := scriptErrorOf(found.err); e == nil || e.Budget != "time" {
		l.add(key, found)
	}
	return found.what.(T), found.err
}

func (l *Loads) find(key loadKey) (loaded, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if found, ok := l.made[key]; ok {
		return found, true
	}
	found, ok := l.before[key]
	return found, ok
}

func (l *Loads) add(key loadKey, found loaded) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made == nil {
		l.made = make(map[loadKey]loaded)
	}
	l.made[key] = found
}
