package runtimes

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"sluice/engine"
)

// fixtureRun is one run of a fixture in one language.
type fixtureRun struct {
	*Fixture
	lang     Language
	manifest *engine.PluginManifest
	call     *Call             // of the builders
	names    map[string]string // of the candidates, by id
	log      []any
}

// run calls the hook and returns its result in plain values: see parts.
func (r *fixtureRun) run() (any, error) {
	switch r.Hook {
	case "filter", "drop":
		return r.filter()
	case "route":
		return r.route()
	case "shape":
		return r.shape()
	case "normalize_error":
		return r.normalizeError()
	case "transform_response":
		return r.transformResponse()
	case "transform_event":
		return r.transformEvents()
	case "observe":
		return r.observe()
	}
	return r.tests()
}

// input is the builders' argument of a name.
func (r *fixtureRun) input(name string) Value {
	v, _ := r.Input.Lookup(name)
	return OfPlain(v)
}

// takes refuses an input that the hook has no use for.
func (r *fixtureRun) takes(names ...string) error {
	for key := range r.Input.All() {
		known := false
		for _, n := range names {
			known = known || n == key
		}
		if !known {
			return &inputError{fmt.Errorf("unknown %q%s", key, Suggest(key, names))}
		}
	}
	return nil
}

// asked builds ctx and principal.
func (r *fixtureRun) asked() (*engine.RequestContext, *engine.Principal, error) {
	ctx, err := NewCtx(r.call, r.input("ctx"))
	if err != nil {
		return nil, nil, &inputError{err}
	}
	p, err := NewPrincipal(r.input("principal"))
	if err != nil {
		return nil, nil, &inputError{err}
	}
	r.call.Now = ctx.Now
	return ctx.Request, p, nil
}

func (r *fixtureRun) candidates() ([]engine.UpstreamCandidate, error) {
	given := r.input("candidates")
	if one := r.input("candidate"); one.Kind != Nil {
		c, err := r.upstream(one)
		return []engine.UpstreamCandidate{c}, err
	}
	if given.Kind == Nil {
		return (&Binding{Manifest: r.manifest}).candidates(), nil
	}
	list, ok := asList(given)
	if !ok {
		return nil, &inputError{fmt.Errorf("candidates is %s, want a list", describeKind(given))}
	}
	var out []engine.UpstreamCandidate
	for i := range list.Len() {
		c, err := r.upstream(list.At(i))
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	sortCandidates(out)
	return out, nil
}

// upstream builds one upstream of its fields, or of its name alone.
func (r *fixtureRun) upstream(v Value) (engine.UpstreamCandidate, error) {
	name := "direct"
	if v.Kind == String {
		name, v = v.Str, Value{}
	}
	c, err := NewCandidate(r.call, name, v)
	if err != nil {
		return engine.UpstreamCandidate{}, &inputError{err}
	}
	return *c.UpstreamCandidate, nil
}

func (r *fixtureRun) filter() (any, error) {
	if err := r.takes("ctx", "principal", "candidates", "candidate"); err != nil {
		return nil, err
	}
	ctx, p, err := r.asked()
	if err != nil {
		return nil, err
	}
	candidates, err := r.candidates()
	if err != nil {
		return nil, err
	}
	f, err := r.lang.InstantiateFilter(r.manifest)
	if err != nil {
		return nil, err
	}
	out, err := f.Filter(ctx, p, candidates)
	if err != nil {
		return nil, err
	}
	if _, one := r.Input.Lookup("candidate"); one && r.Hook == "drop" {
		return r.dropped(out), nil
	}
	return r.decision(out, candidates), nil
}

// dropped is the answer about one candidate: a reason, or nothing.
func (r *fixtureRun) dropped(out engine.FilterOutput) any {
	if len(out.KeptUpstreamIDs) > 0 {
		return nil
	}
	return engine.Cut(out.Reason, engine.MaxReason)
}

// decision names a filter's kept candidates in the order of candidates. Its texts are cut as the gateway cuts them.
func (r *fixtureRun) decision(out engine.FilterOutput, candidates []engine.UpstreamCandidate) any {
	o := r.result()
	if out.Denied {
		o.Set("deny", engine.Cut(out.Reason, engine.MaxReason))
		return o
	}
	keep := []any{}
	r.names = make(map[string]string, len(candidates))
	for i := range candidates {
		r.names[candidates[i].ID.String()] = candidates[i].Name
		if holds(out.KeptUpstreamIDs, candidates[i].ID) {
			keep = append(keep, candidates[i].Name)
		}
	}
	o.Set("keep", keep)
	if out.Reason != "" {
		o.Set("reason", engine.Cut(out.Reason, engine.MaxReason))
	}
	if len(out.PerCandidateReasons) > 0 {
		reasons := &engine.Object{}
		for _, reason := range out.PerCandidateReasons {
			reasons.Set(candidates[search(reason.UpstreamID, candidates)].Name, engine.Cut(reason.Reason, engine.MaxReason))
		}
		o.Set("reasons", reasons)
	}
	return o
}

// result is an object with what every hook's result has.
func (r *fixtureRun) result() *engine.Object {
	o := &engine.Object{}
	o.Set("log", append([]any{}, r.log...))
	return o
}

// parts is a result as an object. What is none is the reason of a drop of one candidate, or nothing.
func (r *fixtureRun) parts(got any) *engine.Object {
	if o, ok := got.(*engine.Object); ok {
		return o
	}
	o := r.result()
	if r.Hook == "drop" {
		o.Set("reason", got)
	}
	return o
}

func (r *fixtureRun) route() (any, error) {
	if err := r.takes("ctx", "principal", "candidates"); err != nil {
		return nil, err
	}
	ctx, p, err := r.asked()
	if err != nil {
		return nil, err
	}
	candidates, err := r.candidates()
	if err != nil {
		return nil, err
	}
	router, err := r.lang.InstantiateRouter(r.manifest)
	if err != nil {
		return nil, err
	}
	d, err := router.Route(ctx, p, candidates)
	if err != nil {
		return nil, err
	}
	o := r.result()
	o.Set("upstream", candidates[search(d.UpstreamID, candidates)].Name)
	return o, nil
}

func (r *fixtureRun) shape() (any, error) {
	if err := r.takes("ctx", "principal", "upstream"); err != nil {
		return nil, err
	}
	ctx, p, err := r.asked()
	if err != nil {
		return nil, err
	}
	to, err := r.upstream(r.input("upstream"))
	if err != nil {
		return nil, err
	}
	d, err := r.lang.InstantiateDialect(r.manifest)
	if err != nil {
		return nil, err
	}
	sent, err := Shape(d, ctx, p, to)
	if err != nil {
		return nil, err
	}
	return r.sent(sent), nil
}

func (r *fixtureRun) sent(s *Sent) any {
	o := r.result()
	o.Set("method", s.Method())
	o.Set("url", s.Scheme()+"://"+s.Host()+s.RequestURI())
	var lines engine.Headers
	for i := range s.HeaderLines() {
		lines = append(lines, s.HeaderLine(i))
	}
	o.Set("headers", headersByName(lines))
	o.Set("body", string(s.Body()))
	recorded := []any{}
	for _, e := range s.Trace.Errors {
		recorded = append(recorded, e.Message)
	}
	o.Set("recorded", recorded)
	return o
}

// headersByName has a text under each lower-case name, or a list where a name occurs twice.
func headersByName(h engine.Headers) *engine.Object {
	o := &engine.Object{}
	for _, line := range h {
		name := strings.ToLower(line.Name)
		switch had, _ := o.Lookup(name); had := had.(type) {
		case nil:
			o.Set(name, line.Value)
		case string:
			o.Set(name, []any{had, line.Value})
		case []any:
			o.Set(name, append(had, line.Value))
		}
	}
	return o
}

func (r *fixtureRun) normalizeError() (any, error) {
	if err := r.takes("status", "body", "headers"); err != nil {
		return nil, err
	}
	status, headers := 400, engine.Headers{}
	if v := r.input("status"); v.Kind != Nil {
		if err := putInt(&status, v); err != nil {
			return nil, &inputError{err}
		}
	}
	if v := r.input("headers"); v.Kind != Nil {
		if err := putHeaders(&headers, v); err != nil {
			return nil, &inputError{err}
		}
	}
	b, err := r.call.bytesOf(r.input("body"))
	if err != nil {
		return nil, &inputError{err}
	}
	d, err := r.lang.InstantiateDialect(r.manifest)
	if err != nil {
		return nil, err
	}
	n, err := d.NormalizeError(status, headers, b)
	if err != nil || n == nil {
		return nil, err
	}
	o := r.result()
	o.Set("status", int64(cmp.Or(n.Status, status))) // 0 keeps the error's own
	o.Set("body", string(n.Body))
	return o, nil
}

func (r *fixtureRun) observe() (any, error) {
	if err := r.takes("event"); err != nil {
		return nil, err
	}
	kind, fields := sampleKind, &engine.Object{}
	if v, _ := r.Input.Lookup("event"); v != nil {
		given, ok := v.(*engine.Object)
		if !ok {
			return nil, &inputError{errors.New("event: want a map of its fields")}
		}
		for key, v := range given.All() {
			if text, ok := v.(string); key == "kind" && ok {
				kind = text
			} else {
				fields.Set(key, v)
			}
		}
	}
	ev, err := NewEvent(kind, OfPlain(fields))
	if err != nil {
		return nil, &inputError{err}
	}
	o, err := r.lang.InstantiateObservability(r.manifest)
	if err != nil {
		return nil, err
	}
	if err := o.Observe(ev); err != nil {
		return nil, err
	}
	return r.result(), nil
}

// tests runs the script's own tests. Its first failure is the error.
func (r *fixtureRun) tests() (any, error) {
	a := &Admission{Language: r.lang, Files: r.manifest.Files, Path: r.manifest.Artifact, Budget: r.Budget}
	admitted := a.Admit()
	if len(admitted.Errors) > 0 {
		return nil, admitted.Errors[0]
	}
	o := &engine.Object{}
	o.Set("tests", int64(admitted.Tests))
	return o, nil
}
