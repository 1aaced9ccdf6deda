package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"sluice/engine"
	"sluice/engine/affinity"
	"sluice/engine/config"
	"sluice/engine/experiment"
	"sluice/engine/reload"
	"sluice/runtimes"
	"sluice/scripts"
)

// defaultDialects are the scripts that speak to each kind of upstream.
var defaultDialects = map[engine.UpstreamKind]string{
	engine.KindAnthropicDirect: "dialects/anthropic.star",
	engine.KindCustom:          "dialects/anthropic.star",
	engine.KindBedrockRuntime:  "dialects/bedrock.star",
	engine.KindBedrockMantle:   "dialects/bedrock_mantle.star",
	engine.KindVertex:          "dialects/vertex.star",
}

// use is one place in the config where a script serves.
type use struct {
	slot      engine.SlotKind
	binding   config.Binding
	principal *engine.Principal // whose own chain it is in; nil = everybody's
	upstream  string            // whose dialect it is
}

// key tells the uses of one script apart.
func (u *use) key() string {
	owner := u.upstream
	if u.principal != nil {
		owner = u.principal.Name
	}
	return string(u.slot) + "\x00" + owner + "\x00" + u.binding.Name + "\x00" + u.binding.Experiment
}

// scripting is the scripting side of one build.
type scripting struct {
	*builder
	plan     *plan
	snapshot *reload.Snapshot
	tx       *reload.Tx

	uses    map[string][]*use  // by script path
	plugins map[string]any     // by use.key: what a runtime made
	version map[string]string  // by script path: the one that serves
	lives   []*experiment.Live // as in the config

	everyUpstream string // what scripts see of all upstreams, made once
}

// resolve finds the version of every script that is to serve, and makes its plugins.
func (s *scripting) resolve() error {
	s.collect()
	s.plugins, s.version, s.tx.Plan = make(map[string]any), make(map[string]string), fmt.Sprintf("%x", s.plan.sum)
	var errs []error
	var topLevels int64
	for _, script := range s.tx.Order(maps.Keys(s.uses)) {
		bindings := s.bindings(script)
		v, err := s.tx.Resolve(s.snapshot, script, bindings, s.admitter(script, bindings))
		if err != nil {
			errs = append(errs, s.named(script, err))
			continue
		}
		s.version[script] = v.SHA256
		maps.Copy(s.plugins, v.Plugins.(*made).plugins)
		topLevels += v.Plugins.(*made).loads.TopLevels()
	}
	return errors.Join(append(errs, s.room(topLevels))...)
}

// room refuses a config whose total_memory has no room for what the top levels of all its scripts hold, as it would be refused at the start.
func (s *scripting) room(topLevels int64) error {
	err := runtimes.RoomForTopLevels(topLevels, s.plan.cfg.TotalMemory)
	if err == nil {
		return nil
	}
	return config.Error{File: s.name, Pos: orTop(s.plan.cfg.TotalMemoryPos), Message: "budgets.total_memory: " + err.Error()}
}

// named says where the config names a script that is not there.
func (s *scripting) named(script string, err error) error {
	if _, missing := fs.Stat(s.snapshot, script); !errors.Is(missing, fs.ErrNotExist) {
		return err
	}
	return config.Errors{{File: s.name, Pos: s.uses[script][0].binding.Pos,
		Message: fmt.Sprintf("there is no script %q below the scripts root%s", script, elsewhere(script, s.snapshot.Paths()))}}
}

// elsewhere proposes a script of the same name in another folder, or the bundled one, or one of nearly the same path.
func elsewhere(script string, paths []string) string {
	for _, p := range paths {
		if path.Base(p) == path.Base(script) {
			return ", want " + p
		}
	}
	if _, err := fs.Stat(scripts.FS, script); err == nil {
		return ", want the bundled one, and what it loads, from " + writtenOut
	}
	return runtimes.Suggest(script, paths)
}

// writtenOut is where the bundled scripts are for those who have the binary alone.
const writtenOut = `the folder that "sluice serve" without a config writes out`

// collect lists every use of every script.
func (s *scripting) collect() {
	s.uses = make(map[string][]*use)
	add := func(slot engine.SlotKind, b *config.Binding, p *engine.Principal, upstream string) {
		for _, own := range s.policies(b) {
			s.uses[own.Script] = append(s.uses[own.Script], &use{slot, own, p, upstream})
		}
	}
	cfg := s.plan.cfg
	for i := range cfg.Filters {
		add(engine.SlotFilter, &cfg.Filters[i], nil, "")
	}
	for i := range cfg.Principals {
		for j := range cfg.Principals[i].Filters {
			add(engine.SlotFilter, &cfg.Principals[i].Filters[j], s.plan.principals[i], "")
		}
	}
	for i := range cfg.Upstreams {
		if d := s.dialect(&cfg.Upstreams[i]); d != nil {
			add(engine.SlotDialect, d, nil, cfg.Upstreams[i].Name)
		}
	}
	if cfg.Router != nil {
		add(engine.SlotRouter, cfg.Router, nil, "")
	}
	for i := range cfg.Observers {
		add(engine.SlotObserver, &cfg.Observers[i], nil, "")
	}
}

// dialect is what an upstream's config says, or the default of its kind. Nil is the pass-through, which is also for kinds on Anthropic's
// own wire where the scripts root has no dialect for them and none has served; the wire of a cloud needs one.
func (s *scripting) dialect(u *config.Upstream) *config.Binding {
	if u.Dialect != nil || u.NoDialect {
		return u.Dialect
	}
	script := defaultDialects[u.Kind]
	ownWire := u.Kind == engine.KindAnthropicDirect || u.Kind == engine.KindCustom
	if _, err := fs.Stat(s.snapshot, script); ownWire && errors.Is(err, fs.ErrNotExist) && !s.tx.HasServed(script) {
		return nil
	}
	return &config.Binding{Pos: u.Pos, Name: strings.TrimSuffix(path.Base(script), ".star"), Script: script, Config: &engine.Object{},
		Budget: s.plan.cfg.Budget}
}

// generation puts config and plugins together.
func (s *scripting) generation(number uint64) (*engine.Generation, error) {
	cfg := s.plan.cfg
	keys, err := s.newRing(s.plan)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	strategy, err := s.strategy(cfg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	if err := s.experiments(); err != nil {
		return nil, err
	}
	g := &engine.Generation{Number: number, Keys: keys, Principals: s.plan.principals, Strategy: strategy, Vitals: s.vitals,
		Bindings: s.objects, Prices: s.plan.prices, Certificate: s.plan.cert, Timeouts: cfg.Timeouts, Retry: cfg.Retry, Filters: s.filters(cfg.Filters, nil),
		OwnFilters: make(map[*engine.Principal][]*engine.FilterSlot),
		Limits:     engine.Limits{Body: cfg.Limits.Body, FilesBody: cfg.Limits.FilesBody, BodiesTotal: cfg.Limits.BodiesTotal, Streams: int64(cfg.Limits.Streams)}}
	for i, p := range s.plan.principals {
		if p.OwnFilters {
			g.OwnFilters[p] = s.filters(cfg.Principals[i].Filters, p)
		}
	}
	for _, u := range s.plan.upstreams {
		g.Upstreams = append(g.Upstreams, s.upstream(u))
	}
	if r := cfg.Router; r != nil {
		g.Router = &engine.RouterSlot{Router: s.plugin(engine.SlotRouter, r, nil, "").(engine.Router), Name: r.Name, Script: r.Script,
			Version: s.label(r.Script), Meter: s.meters.For(engine.SlotRouter, engine.GlobalSlot(r.Name)), Guard: s.guard(r)}
	}
	g.Observers = engine.NewFeed(s.observers())
	b := s.builder // not s, which leads to what served before
	g.OnClose(func() { b.observing.finish(g.Observers) })
	return g, nil
}

func (s *scripting) strategy(cfg *config.Config) (engine.Strategy, error) {
	if cfg.Strategy == "affinity" {
		return s.homes.Strategy(affinity.Subagents(cfg.Affinity.Subagents), cfg.Affinity.TTL), nil
	}
	return engine.NewStrategy(cfg.Strategy, cfg.Seed)
}

func (s *scripting) plugin(slot engine.SlotKind, b *config.Binding, p *engine.Principal, upstream string) any {
	u := use{slot, *b, p, upstream}
	return s.plugins[u.key()]
}

// guard is what the calls of a binding run under.
func (s *scripting) guard(b *config.Binding) *engine.Guard {
	return &engine.Guard{Crew: s.crew, Standing: s.standings.For(b.Script, s.version[b.Script]), Budget: b.Budget, Memory: s.memory}
}

func (s *scripting) filters(bindings []config.Binding, p *engine.Principal) []*engine.FilterSlot {
	var out []*engine.FilterSlot
	for i := range bindings {
		b := &bindings[i]
		if b.Experiment != "" {
			out = append(out, s.filterTrial(b, p))
			continue
		}
		f := s.plugin(engine.SlotFilter, b, p, "").(engine.Filter)
		out = append(out, &engine.FilterSlot{Filter: f, Policy: b.Policy, Script: b.Script, Version: s.label(b.Script),
			Meter: s.meters.For(engine.SlotFilter, f.SlotKey()), Guard: s.guard(b)})
	}
	return out
}

// label is a script and which version of it serves, shortened.
func (s *scripting) label(script string) string { return script + "@" + s.version[script][:12] }

func (s *scripting) upstream(u *engine.Upstream) *engine.UpstreamSlot {
	i := slices.IndexFunc(s.plan.cfg.Upstreams, func(c config.Upstream) bool { return c.ID == u.ID })
	c := &s.plan.cfg.Upstreams[i]
	slot := &engine.UpstreamSlot{Upstream: u, Signers: s.plan.signers[u.ID], ForwardsClient: c.Signer.Type == config.SignerForward,
		Dialect: &engine.DialectSlot{Dialect: engine.Passthrough{}, Meter: s.meters.For(engine.SlotDialect, engine.GlobalSlot(u.Name))}}
	switch d := s.dialect(c); {
	case d == nil:
	case d.Experiment != "":
		slot.Dialect = s.dialectTrial(d, u.Name)
	default:
		slot.Dialect.Dialect, slot.Dialect.Script = s.plugin(engine.SlotDialect, d, nil, u.Name).(engine.Dialect), d.Script
		slot.Dialect.Guard, slot.Dialect.Policy = s.guard(d), d.Policy
		slot.Dialect.Version = s.label(d.Script)
	}
	return slot
}

func (s *scripting) observers() []*engine.ObserverSlot {
	var out []*engine.ObserverSlot
	for i := range s.plan.cfg.Observers {
		b := &s.plan.cfg.Observers[i]
		o := s.plugin(engine.SlotObserver, b, nil, "").(engine.Observer)
		slot := &engine.ObserverSlot{Observer: o, Name: b.Name, Script: b.Script,
			Meter: s.meters.For(engine.SlotObserver, engine.GlobalSlot(b.Name)), Guard: s.guard(b)}
		if w, ok := o.(interface{ Wants(kind string) bool }); ok {
			slot.Chunks = w.Wants(engine.Chunk{}.Kind())
		}
		out = append(out, slot)
	}
	return out
}
