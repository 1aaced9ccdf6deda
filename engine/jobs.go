package engine

import (
	"slices"
	"sync"
	"time"
)

// Calls of plugins, each as the job that a Crew runs. A job has a copy of the request's context, which the request goes on to write, and
// of a body that its owner reuses; what else a call is given, nobody writes. A job that was left behind is not reused.

// jobs are idle jobs of one kind.
type jobs[J any] struct{ pool sync.Pool }

func (p *jobs[J]) get() *J {
	if j, ok := p.pool.Get().(*J); ok {
		return j
	}
	return new(J)
}

// put takes back what j was, emptied.
func (p *jobs[J]) put(j *J) {
	*j = *new(J)
	p.pool.Put(j)
}

type filterJob struct {
	filter     Filter
	ctx        RequestContext
	principal  *Principal
	candidates []UpstreamCandidate
	out        FilterOutput
}

func (j *filterJob) watch(w Watch) { j.ctx.Watch = w }

func (j *filterJob) run() (err error) {
	j.out, err = j.filter.Filter(&j.ctx, j.principal, j.candidates)
	return err
}

var filterJobs jobs[filterJob]

// call asks the filter. An error is a *FilterError, or an *AsideError where it was not asked.
func (f *FilterSlot) call(x *Exchange, in []UpstreamCandidate) (out FilterOutput, err error) {
	if f.Guard == nil {
		return f.Filter.Filter(x.Request, x.Principal, in)
	}
	if out, known := f.recall(x, in); known {
		f.Meter.Recalled.Add(1)
		return out, nil
	}
	j := filterJobs.get()
	j.filter, j.ctx, j.principal, j.candidates = f.Filter, *x.Request, x.Principal, in
	kept, err := f.Guard.run(j, x.Principal, len(x.Request.Body), x.Dry)
	if !kept {
		out = j.out
		filterJobs.put(j)
	}
	return out, trapped(err, func(se *ScriptError) error { return &FilterError{FilterTrap, se.Error(), se} })
}

// recall is the decision that the filter remembers. One that is put aside is asked for none, and a preview runs the script.
func (f *FilterSlot) recall(x *Exchange, in []UpstreamCandidate) (FilterOutput, bool) {
	memory, ok := f.Filter.(RecallingFilter)
	if !ok || x.Dry || f.Guard.putAside(x.Principal) != nil {
		return FilterOutput{}, false
	}
	return memory.Recall(x.Request, x.Principal, in)
}

// trapped gives a bare *ScriptError, which is the guard's own, its kind.
func trapped(err error, kind func(*ScriptError) error) error {
	if se, bare := err.(*ScriptError); bare {
		return kind(se)
	}
	return err
}

type routeJob struct {
	router     Router
	ctx        RequestContext
	principal  *Principal
	candidates []UpstreamCandidate
	out        RouteDecision
}

func (j *routeJob) watch(w Watch) { j.ctx.Watch = w }

func (j *routeJob) run() (err error) {
	j.out, err = j.router.Route(&j.ctx, j.principal, j.candidates)
	return err
}

// call asks the router. An error is a *RouteError, or an *AsideError where it was not asked.
func (r *RouterSlot) call(x *Exchange, kept []UpstreamCandidate) (out RouteDecision, err error) {
	if r.Guard == nil {
		return r.Route(x.Request, x.Principal, kept)
	}
	j := &routeJob{router: r.Router, ctx: *x.Request, principal: x.Principal, candidates: kept}
	left, err := r.Guard.run(j, x.Principal, len(x.Request.Body), x.Dry)
	if !left {
		out = j.out
	}
	return out, trapped(err, func(se *ScriptError) error { return &RouteError{RouteRuntime, se.Error(), se} })
}

type shapeJob struct {
	dialect   Dialect
	ctx       RequestContext
	upstream  *Upstream
	principal *Principal
	state     State
	shaped    Shaped
	dropped   []string
}

func (j *shapeJob) watch(w Watch) { j.ctx.Watch = w }

func (j *shapeJob) run() (err error) {
	j.shaped, j.dropped, err = shapeRequest(j.dialect, &j.ctx, j.upstream, j.principal, &j.state)
	return err
}

func (j *shapeJob) undo() { j.state.freeBut(State{}) }

var shapeJobs jobs[shapeJob]

// shape asks the dialect for the request that u gets, and tells which headers were dropped. An error is a *DialectError, or an
// *AsideError where it was not asked.
func (d *DialectSlot) shape(x *Exchange, u *Upstream) (shaped Shaped, dropped []string, err error) {
	if d.Guard == nil {
		return shapeRequest(d.Dialect, x.Request, u, x.Principal, &x.state)
	}
	j := shapeJobs.get()
	j.state.Principal, j.state.Leases = nameOf(x.Principal), &noLeases
	j.dialect, j.ctx, j.upstream, j.principal = d.Dialect, *x.Request, u, x.Principal
	left, err := d.Guard.run(j, x.Principal, len(x.Request.Body), x.Dry)
	if !left {
		shaped, dropped = j.shaped, j.dropped
		x.become(j.state)
		shapeJobs.put(j)
	}
	return shaped, dropped, trapped(err, dialectTrap)
}

func dialectTrap(se *ScriptError) error {
	return &DialectError{DialectUnsupportedRequest, se.Error(), se}
}

type normalizeJob struct {
	dialect Dialect
	status  int
	headers Headers
	body    []byte
	out     *NormalizedError
}

func (j *normalizeJob) watch(w Watch) {
	if d, is := j.dialect.(WatchedDialect); is {
		j.dialect = d.WatchedBy(w)
	}
}

func (j *normalizeJob) run() (err error) {
	j.out, err = j.dialect.NormalizeError(j.status, j.headers, j.body)
	return err
}

// normalized asks the dialect about an error answer. An error is a *DialectError, or an *AsideError where it was not asked.
func (d *DialectSlot) normalized(x *Exchange, status int, h Headers, body []byte) (out *NormalizedError, err error) {
	if d.Guard == nil {
		return d.NormalizeError(status, h, body)
	}
	j := &normalizeJob{dialect: d.Dialect, status: status, headers: slices.Clone(h), body: slices.Clone(body)}
	left, err := d.Guard.run(j, x.Principal, len(body), x.Dry)
	if !left {
		out = j.out
	}
	return out, trapped(err, dialectTrap)
}

type responseJob struct {
	dialect       AnswerDialect
	ctx           RequestContext
	before, state State
	reply         Reply
	out           *Reply
}

func (j *responseJob) watch(w Watch) { j.ctx.Watch = w }

func (j *responseJob) run() (err error) {
	j.out, err = j.dialect.TransformResponse(&j.ctx, &j.state, &j.reply)
	return err
}

func (j *responseJob) undo() { j.state.freeBut(j.before) }

// transformed asks the dialect for the translation of an answer, which nobody writes to. An error is a *DialectError, or an *AsideError
// where it was not asked.
func (d *DialectSlot) transformed(x *Exchange, by AnswerDialect, r *Reply) (out *Reply, err error) {
	if d.Guard == nil {
		return by.TransformResponse(x.Request, &x.state, r)
	}
	j := &responseJob{dialect: by, ctx: *x.Request, before: x.state, state: x.state, reply: *r}
	left, err := d.Guard.run(j, x.Principal, len(r.Body), x.Dry)
	if !left {
		out = j.out
		x.become(j.state)
	}
	return out, trapped(err, dialectTrap)
}

type eventJob struct {
	dialect       AnswerDialect
	ctx           RequestContext
	before, state State
	event         StreamEvent
	out           []StreamEvent
}

func (j *eventJob) watch(w Watch) { j.ctx.Watch = w }

func (j *eventJob) run() (err error) {
	j.out, err = j.dialect.TransformEvent(&j.ctx, &j.state, j.event)
	return err
}

func (j *eventJob) undo() { j.state.freeBut(j.before) }

var eventJobs jobs[eventJob]

// transformedEvent asks the dialect for the translation of an event. An error is a *DialectError, or an *AsideError where it was not asked.
func (d *DialectSlot) transformedEvent(x *Exchange, by AnswerDialect, e StreamEvent) (out []StreamEvent, err error) {
	if d.Guard == nil {
		return by.TransformEvent(x.Request, &x.state, e)
	}
	j := eventJobs.get()
	j.dialect, j.ctx, j.before, j.state, j.event = by, *x.Request, x.state, x.state, e
	j.event.Data = slices.Clone(e.Data)
	left, err := d.Guard.run(j, x.Principal, 0, x.Dry)
	if !left {
		out = j.out
		x.become(j.state)
		eventJobs.put(j)
	}
	return out, trapped(err, dialectTrap)
}

type observeJob struct {
	observer Observer
	event    ObserveEvent
}

func (j *observeJob) watch(w Watch) {
	if o, is := j.observer.(WatchedObserver); is {
		j.observer = o.WatchedBy(w)
	}
}

func (j *observeJob) run() error { return j.observer.Observe(j.event) }

// call shows the observer an event. An error is an *ObservabilityError, or an *AsideError where it was not shown.
func (o *ObserverSlot) call(ev ObserveEvent) error {
	if o.Guard == nil {
		return o.Observe(ev)
	}
	_, err := o.Guard.run(&observeJob{observer: o.Observer, event: ev}, nil, 0, false)
	return trapped(err, func(se *ScriptError) error { return &ObservabilityError{ObservabilityDropped, se.Error(), se} })
}

// observe notes how long a call took, unless it was not made.
func (m *Meter) observe(since time.Time, err error) time.Duration {
	took := time.Since(since)
	if err != nil && isAside(err) {
		m.Aside.Add(1)
	} else {
		m.Observe(took)
	}
	return took
}
