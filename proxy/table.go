package proxy

import (
	"maps"
	"sync"
	"sync/atomic"
)

// table is a small map that is read by every request and grows a few times in its life: reading takes no lock and no memory.
type table[K comparable, V any] struct {
	now  atomic.Pointer[map[K]V]
	grow sync.Mutex
}

// get returns the value under k. The first one to ask makes it; values that are stale by then are forgotten, nil = none ever is.
func (t *table[K, V]) get(k K, make func() V, stale func(V) bool) V {
	if m := t.now.Load(); m != nil {
		if v, ok := (*m)[k]; ok {
			return v
		}
	}
	t.grow.Lock()
	defer t.grow.Unlock()
	next := map[K]V{}
	if m := t.now.Load(); m != nil {
		if v, ok := (*m)[k]; ok {
			return v
		}
		next = maps.Clone(*m)
	}
	if stale != nil {
		maps.DeleteFunc(next, func(_ K, v V) bool { return stale(v) })
	}
	v := make()
	next[k] = v
	t.now.Store(&next)
	return v
}

// all returns the table as it is now, which must not be written to.
func (t *table[K, V]) all() map[K]V {
	if m := t.now.Load(); m != nil {
		return *m
	}
	return nil
}
