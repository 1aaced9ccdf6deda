// Package promptcache predicts what the prompt caches of upstreams will do for a request, from what they did for others.
//
//	caches := promptcache.New()
//	f := caches.Forecast(&request)       // cheap: nothing is read yet
//	tokens := f.ReadTokens(upstream.ID)  // the prompt is read once, at the first question
//	f.Learn(upstream.ID, usage, now)     // after an answer that was whole
//
// It believes what upstreams report and nothing else. Its memory is bounded: of too many prompts, those that nobody asked for again go.
package promptcache

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
)

// Caches is what is known of all upstreams' caches. Its methods may be called from any goroutine. It lives beside the generations.
type Caches struct {
	asked  atomic.Bool // somebody wants to know: before that nothing is learnt
	mu     sync.Mutex
	recent map[place]entry // guarded by mu
	older  map[place]entry // guarded by mu; what was in recent when that was full
}

// place is where a prefix may be kept.
type place struct {
	upstream uuid.UUID
	hash     uint64
}

type entry struct {
	tokens  int64
	expires time.Time
}

// maxEntries is how many prefixes each of the two maps holds: some five megabytes.
const maxEntries = 1 << 16

// New knows nothing yet.
func New() *Caches { return &Caches{recent: make(map[place]entry)} }

// Forecast is for one request. It must not be copied once it was asked, and may then be asked from several goroutines.
type Forecast struct {
	caches  *Caches
	request *engine.RequestContext
	once    sync.Once
	prefix  prefix
}

var _ engine.Forecast = (*Forecast)(nil)

// Forecast looks into r only when it is asked.
func (c *Caches) Forecast(r *engine.RequestContext) *Forecast {
	return &Forecast{caches: c, request: r}
}

// Forget lets go of the request's body. What is to be learned of it later is read before, where anybody ever asked for it.
func (f *Forecast) Forget(learn bool) {
	if learn && f.caches.asked.Load() {
		f.read()
	}
	f.once.Do(func() {}) // a script that was left behind may ask still
}

func (f *Forecast) read() prefix {
	f.once.Do(func() { f.prefix = readPrefix(f.request) })
	return f.prefix
}

// ReadTokens is how many tokens of the prompt an upstream will likely have in its cache.
func (f *Forecast) ReadTokens(upstream uuid.UUID) (tokens int64) {
	c := f.caches
	c.asked.Store(true)
	if c.empty() {
		return 0
	}
	p := f.read()
	c.mu.Lock()
	defer c.mu.Unlock()
	p.candidates(func(b boundary) bool {
		e, ok := c.get(place{upstream, b.hash})
		if ok && e.expires.After(f.request.Now) {
			tokens = e.tokens
		}
		return tokens == 0
	})
	return tokens
}

// Conversation is the same for all requests of one conversation, whatever was said since: it is made of the tools, the system prompt
// and the first message.
func (f *Forecast) Conversation() uint64 { return readStart(f.request) }

// Learn takes in what an upstream reported of an answer that was whole, once anybody ever asked for ReadTokens: it reads the whole prompt.
func (f *Forecast) Learn(upstream uuid.UUID, u engine.Usage, now time.Time) {
	total := u.CacheReadInputTokens + u.CacheCreationInputTokens
	if total == 0 || !f.caches.asked.Load() {
		return
	}
	p := f.read()
	last, marked := p.last()
	if !marked {
		return
	}
	c := f.caches
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range p.blocks {
		at := place{upstream, b.hash}
		keep := b.keep
		if known, ok := c.get(at); ok && u.CacheReadInputTokens > 0 {
			keep = max(keep, last.keep) // a read keeps it for as long again
			c.put(at, entry{known.tokens, now.Add(keep)})
		} else if keep > 0 {
			c.put(at, entry{max(1, total*int64(b.bytes)/int64(max(1, last.bytes))), now.Add(keep)})
		}
	}
}

func (c *Caches) empty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.recent)+len(c.older) == 0
}

func (c *Caches) get(at place) (entry, bool) {
	if e, ok := c.recent[at]; ok {
		return e, true
	}
	e, ok := c.older[at]
	return e, ok
}

func (c *Caches) put(at place, e entry) {
	if _, known := c.recent[at]; !known && len(c.recent) == maxEntries {
		c.older, c.recent = c.recent, make(map[place]entry)
	}
	c.recent[at] = e
}
