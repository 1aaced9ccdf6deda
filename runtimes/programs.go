package runtimes

import (
	"crypto/sha256"
	"sync"
)

// Bounds of each half of what Programs keeps. A compiled file weighs up to 17 times its source.
const (
	maxPrograms = 512
	maxSources  = 4 << 20 // bytes of all their sources
)

// Programs keeps a language's compiled files by path and content, which are immutable. It may be used by many goroutines; the zero value is
// ready. A file that nobody asked for while maxPrograms others were, or some of maxSources, is forgotten: who has its program goes on, and
// who asks for it again compiles it again.
type Programs[P any] struct {
	mu           sync.Mutex
	young, older map[programKey]P // guarded by mu
	size         int              // bytes of the sources of young; guarded by mu
}

type programKey struct {
	path string
	hash [sha256.Size]byte
}

// Compile returns the program of a file, which compile makes where none is kept.
func (p *Programs[P]) Compile(path string, src []byte, compile func() (P, error)) (P, error) {
	key := programKey{path, sha256.Sum256(src)}
	if found, ok := p.find(key, len(src)); ok {
		return found, nil
	}
	made, err := compile()
	if err != nil {
		return made, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keep(key, len(src), made)
	return made, nil
}

func (p *Programs[P]) find(key programKey, size int) (P, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if found, ok := p.young[key]; ok {
		return found, true
	}
	found, ok := p.older[key]
	if ok {
		p.keep(key, size, found)
	}
	return found, ok
}

// keep is called with mu held.
func (p *Programs[P]) keep(key programKey, size int, made P) {
	if p.young == nil || len(p.young) >= maxPrograms || p.size+size > maxSources {
		p.older, p.young, p.size = p.young, make(map[programKey]P), 0
	}
	p.young[key] = made
	p.size += size
}
