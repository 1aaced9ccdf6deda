package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"sluice/engine"
	"sluice/engine/config"
	"sluice/engine/experiment"
)

// policies are the bindings that a binding stands for: itself, or one for each arm and shadow of its experiment, under its own rules.
func (s *scripting) policies(b *config.Binding) []config.Binding {
	if b.Experiment == "" {
		return []config.Binding{*b}
	}
	e := s.experiment(b.Experiment)
	var out []config.Binding
	for i := range e.Arms {
		out = append(out, armBinding(b, &e.Arms[i].Binding))
	}
	for i := range e.Shadow {
		out = append(out, armBinding(b, &e.Shadow[i]))
	}
	return out
}

// armBinding is an arm, or a shadow, in the place of b. Its Experiment is b's and its own name, which tells the arms of b apart.
func armBinding(b, arm *config.Binding) config.Binding {
	own := *arm
	own.Name, own.Policy, own.Fresh, own.Experiment = b.Name, b.Policy, b.Fresh, b.Experiment+"="+arm.Name
	return own
}

func (s *scripting) experiment(name string) *config.Experiment {
	all := s.plan.cfg.Experiments
	return &all[slices.IndexFunc(all, func(e config.Experiment) bool { return e.Name == name })]
}

// experiments plans what is to divide the requests, once the versions of all scripts are known.
func (s *scripting) experiments() error {
	for i := range s.plan.cfg.Experiments {
		c := &s.plan.cfg.Experiments[i]
		d := experiment.Definition{Name: c.Name, Slot: c.Slot, Unit: c.Unit}
		for j := range c.Arms {
			arm := s.arm(&c.Arms[j].Binding)
			arm.Weight = c.Arms[j].Weight
			d.Arms = append(d.Arms, arm)
		}
		for j := range c.Shadow {
			d.Shadows = append(d.Shadows, s.arm(&c.Shadow[j]))
		}
		live, err := s.trials.Plan(d)
		if err != nil {
			return err
		}
		s.lives = append(s.lives, live)
	}
	return nil
}

func (s *scripting) arm(b *config.Binding) experiment.Arm {
	return experiment.Arm{Name: b.Name, Script: b.Script, Version: s.version[b.Script], Config: fmt.Sprint(plainly(b.Config))}
}

// plainly is a value that prints the same wherever it means the same.
func plainly(v any) any {
	switch v := v.(type) {
	case *engine.Object:
		out := make(map[string]any)
		for key, value := range v.All() {
			out[key] = plainly(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plainly(v[i])
		}
		return out
	}
	return fmt.Sprintf("%T %v", v, v)
}

func (s *scripting) live(name string) *experiment.Live {
	return s.lives[slices.IndexFunc(s.plan.cfg.Experiments, func(e config.Experiment) bool { return e.Name == name })]
}

// filterTrial is the slot of a binding that names an experiment.
func (s *scripting) filterTrial(b *config.Binding, p *engine.Principal) *engine.FilterSlot {
	live, arms := s.live(b.Experiment), len(s.experiment(b.Experiment).Arms)
	out := &engine.FilterSlot{Experiment: live}
	for i, own := range s.policies(b) {
		f := s.plugin(engine.SlotFilter, &own, p, "").(engine.Filter)
		slot := &engine.FilterSlot{Filter: f, Policy: own.Policy, Script: own.Script, Version: s.label(own.Script),
			Guard: s.guard(&own)}
		if i < arms {
			slot.Meter = live.Meter(i)
			out.Arms = append(out.Arms, slot)
			continue
		}
		slot.Meter, slot.Policy, slot.Guard = live.ShadowMeter(i-arms), engine.FailOpen, s.shadowGuard(&own)
		out.Shadows = append(out.Shadows, slot)
	}
	out.Filter = out.Arms[0].Filter
	if len(out.Shadows) > 0 && s.lab != nil {
		out.Shadowing = live.Shadowing(s.lab)
	}
	return out
}

// shadowed ends the name of a script where it decides beside.
const shadowed = " (shadow)"

// shadowGuard keeps a shadow's overruns apart: they put no script aside that serves.
func (s *scripting) shadowGuard(b *config.Binding) *engine.Guard {
	g := s.guard(b)
	g.Standing = s.standings.For(b.Script+shadowed, s.version[b.Script])
	return g
}

// dialectTrial is the dialect of an upstream whose binding names an experiment.
func (s *scripting) dialectTrial(b *config.Binding, upstream string) *engine.DialectSlot {
	live := s.live(b.Experiment)
	out := &engine.DialectSlot{Experiment: live}
	for i, own := range s.policies(b) {
		d := s.plugin(engine.SlotDialect, &own, nil, upstream).(engine.Dialect)
		out.Arms = append(out.Arms, &engine.DialectSlot{Dialect: d, Policy: own.Policy, Script: own.Script, Version: s.label(own.Script),
			Meter: live.Meter(i), Guard: s.guard(&own)})
	}
	out.Dialect, out.Meter = out.Arms[0].Dialect, out.Arms[0].Meter
	return out
}

// reading is a data directory that another process serves from: nothing is written there.
type reading string

// Read reads a file of the directory.
func (dir reading) Read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(dir), name))
}

// Replace writes nothing.
func (reading) Replace(string, []byte) error { return nil }
