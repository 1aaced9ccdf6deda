package runtimes

import (
	"crypto/sha256"
	"runtime"
	"sync"
	"weak"
)

// Programs knows a language's compiled files by path and content, which are immutable, for as long as somebody has them: a script keeps
// those of all its files while it serves, and who asks for one of them meanwhile gets it. It may be used by many goroutines; the zero value
// is ready.
type Programs[P any] struct {
	mu   sync.Mutex
	made map[programKey]weak.Pointer[P] // guarded by mu
}

type programKey struct {
	path string
	hash [sha256.Size]byte
}

// Compile returns the program of a file, which compile makes where nobody has it.
func (p *Programs[P]) Compile(path string, src []byte, compile func() (*P, error)) (*P, error) {
	key := programKey{path, sha256.Sum256(src)}
	if found := p.find(key); found != nil {
		return found, nil
	}
	made, err := compile()
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.made == nil {
		p.made = make(map[programKey]weak.Pointer[P])
	}
	p.made[key] = weak.Make(made)
	runtime.AddCleanup(made, p.forget, key)
	return made, nil
}

func (p *Programs[P]) find(key programKey) *P {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made[key].Value()
}

// forget is called when a program is gone that had this key. Another may have it by now.
func (p *Programs[P]) forget(key programKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.made[key].Value() == nil {
		delete(p.made, key)
	}
}
