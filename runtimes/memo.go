package runtimes

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"sluice/engine"
)

// Memo remembers what a filter decided, by exactly what its script read. A script is a function of its input: as long as it has found the
// same so far, it reads the same next, and what has found the same to the end decides the same. So decisions lie at the leaves of a tree
// whose nodes are reads, and whose branches are what they found; a request walks down by reading the same of its own input. What the
// config says of principals and upstreams does not change under their pointers, which stand for it. Any goroutine may use it. The zero
// value is ready.
type Memo struct {
	mu     sync.RWMutex
	roots  map[*engine.Principal][]*root // guarded by mu
	size   int                           // of the tree, about, in bytes; guarded by mu
	off    atomic.Bool                   // decisions depend on more than what is read
	wanted atomic.Bool                   // a decision was looked for and not found: the next call that begins is watched
	credit atomic.Int32                  // falls with each decision that was not known, rises with one that was
	rest   atomic.Int32                  // calls for which nothing is looked up or learned
	calls  sync.Pool                     // of *recall
}

const (
	// maxSize bounds a tree, in bytes; one that is larger begins anew.
	maxSize = 4 << 20
	// nodeSize is what a node takes, and reasonSize a reason beside its text, in bytes.
	nodeSize, reasonSize = 320, 40
	// maxRoots bounds the sets of candidates of one principal, which are looked through.
	maxRoots = 16
	// maxReads bounds the reads of one decision: to repeat more costs what the script costs.
	maxReads = 128
	// maxAnswer is the longest text that is remembered, in bytes.
	maxAnswer = 256
	// A memo that finds nothing in fullCredit calls does nothing for the next restCalls.
	fullCredit = 512
	restCalls  = 8192
)

// root is where the decisions about one set of candidates begin.
type root struct {
	upstreams []*engine.Upstream
	node
}

// node is a read, or the end, where the decision is.
type node struct {
	read read
	next map[answer]*node // by what is found
	out  *engine.FilterOutput
}

// read is one thing that a script reads: a field, a header, or what a method says.
type read struct {
	field  *Field
	method *Method
	args   []Value
	header string
	of     int // the candidate, -1 = the request
}

// answer is what a read finds: a value without parts.
type answer struct {
	kind Kind
	num  uint64
	text string
}

// simple is v as an answer; false where it has parts, or is too long.
func simple(v Value) (answer, bool) {
	return answer{v.Kind, v.num, v.Str}, v.Kind <= String && len(v.Str) <= maxAnswer
}

// recall is what a look-up reads with.
type recall struct {
	call Call
	of   Candidate
}

// Recall returns what the script would decide; false = it has to be asked.
func (m *Memo) Recall(ctx *engine.RequestContext, p *engine.Principal, candidates []engine.UpstreamCandidate) (engine.FilterOutput, bool) {
	if m.off.Load() || ctx.Missing != nil {
		return engine.FilterOutput{}, false
	}
	if m.rest.Load() > 0 && m.rest.Add(-1) >= 0 {
		return engine.FilterOutput{}, false
	}
	r, _ := m.calls.Get().(*recall)
	if r == nil {
		r = new(recall)
	}
	r.call.Request, r.call.Now = ctx, ctx.Now
	out := m.find(r, p, candidates)
	*r = recall{}
	m.calls.Put(r)
	m.count(out != nil)
	if out == nil {
		m.wanted.Store(true)
		return engine.FilterOutput{}, false
	}
	return *out, true
}

// find walks down the tree.
func (m *Memo) find(r *recall, p *engine.Principal, candidates []engine.UpstreamCandidate) *engine.FilterOutput {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n := m.root(p, candidates)
	for n != nil && n.next != nil {
		found, ok := simple(n.read.again(r, candidates))
		if !ok {
			return nil
		}
		n = n.next[found]
	}
	if n == nil {
		return nil
	}
	return n.out
}

// root is where the decisions for a principal about these candidates begin, nil = there are none. It is called with mu held.
func (m *Memo) root(p *engine.Principal, candidates []engine.UpstreamCandidate) *node {
	for _, r := range m.roots[p] {
		if slices.EqualFunc(r.upstreams, candidates, func(u *engine.Upstream, c engine.UpstreamCandidate) bool { return u == c.Upstream }) {
			return &r.node
		}
	}
	return nil
}

// again reads the same of another input.
func (r *read) again(with *recall, candidates []engine.UpstreamCandidate) Value {
	var receiver any = &with.call
	if r.of >= 0 {
		with.of = Candidate{&candidates[r.of], &with.call}
		receiver = &with.of
	}
	switch {
	case r.field != nil:
		return r.field.Get(receiver)
	case r.method != nil:
		v, _ := r.method.Call(&with.call, receiver, r.args) // a method that is Pure has no errors but those of its arguments
		return v
	}
	v, _ := with.call.headersOf().Get(r.header)
	return v
}

// count sends a memo to rest that finds too little.
func (m *Memo) count(found bool) {
	switch {
	case !found && m.credit.Add(-1) <= -fullCredit:
		m.credit.Store(0)
		m.rest.Store(restCalls)
	case found && m.credit.Load() < 0:
		m.credit.Add(1)
	}
}

// Off ends all remembering: the script keeps something from call to call.
func (m *Memo) Off() {
	m.off.Store(true)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.roots, m.size = nil, 0
}

// Watch notes from here on what a call reads, and reports whether it does. Keep is to follow.
func (m *Memo) Watch(c *Call, candidates []engine.UpstreamCandidate) bool {
	if !m.wanted.Load() || !m.wanted.CompareAndSwap(true, false) || m.off.Load() || c.Request.Missing != nil {
		return false
	}
	c.trail = &trail{candidates: candidates, steps: make([]step, 0, 16)}
	return true
}

// Keep remembers what a watched call decided.
func (m *Memo) Keep(c *Call, p *engine.Principal, out engine.FilterOutput) {
	t := c.trail
	if t == nil {
		return
	}
	c.trail = nil
	if t.lost {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.size >= maxSize || m.roots == nil {
		m.roots, m.size = make(map[*engine.Principal][]*root), 0
	}
	if n := m.plant(p, t.candidates); n != nil {
		m.grow(n, t.steps, out)
	}
}

// plant is the root for a principal and these candidates, made if it is not there; nil where there are too many. It is called with mu held.
func (m *Memo) plant(p *engine.Principal, candidates []engine.UpstreamCandidate) *node {
	if n := m.root(p, candidates); n != nil || len(m.roots[p]) >= maxRoots {
		return n
	}
	r := &root{upstreams: make([]*engine.Upstream, len(candidates))}
	for i := range candidates {
		r.upstreams[i] = candidates[i].Upstream
	}
	m.roots[p] = append(m.roots[p], r)
	m.size += nodeSize + 8*len(candidates)
	return &r.node
}

// grow adds a path below n, as far as it is not there.
func (m *Memo) grow(n *node, steps []step, out engine.FilterOutput) {
	for i := range steps {
		if n.next == nil {
			if n.out != nil {
				return // known by now
			}
			n.read, n.next = steps[i].read, make(map[answer]*node)
		}
		found := steps[i].found
		below := n.next[found]
		if below == nil {
			below = new(node)
			found.text = strings.Clone(found.text) // a request's text lies in the memory of all its text
			n.next[found] = below
			m.size += nodeSize + len(found.text)
		}
		n = below
	}
	if n.next == nil && n.out == nil {
		n.out = lasting(out)
		m.size += len(out.Reason) + 16*len(out.KeptUpstreamIDs)
		for _, r := range n.out.PerCandidateReasons {
			m.size += reasonSize + len(r.Reason)
		}
	}
}

// lasting is a decision that holds nothing of its request, and that nobody needs to cut.
func lasting(out engine.FilterOutput) *engine.FilterOutput {
	out.Reason = strings.Clone(engine.Cut(out.Reason, engine.MaxReason))
	out.KeptUpstreamIDs = slices.Clone(out.KeptUpstreamIDs)
	out.PerCandidateReasons = slices.Clone(out.PerCandidateReasons)
	for i := range out.PerCandidateReasons {
		r := &out.PerCandidateReasons[i].Reason
		*r = strings.Clone(engine.Cut(*r, engine.MaxReason))
	}
	return &out
}
