package config

import (
	"errors"
	"math"
	"strconv"

	"go.yaml.in/yaml/v3"

	"sluice/engine"
)

// maxShadows bounds what may run beside one decision.
const maxShadows = 8

// Experiment divides the requests of the bindings that name it among arms.
type Experiment struct {
	Name   string
	Slot   engine.SlotKind // SlotFilter or SlotDialect
	Unit   engine.Unit
	Arms   []Arm     // at least one; their weights are not all 0
	Shadow []Binding // of filters alone
}

// Arm is one policy of an experiment.
type Arm struct {
	Binding         // its failure rule and its isolation are those of the binding that names the experiment
	Weight  float64 // its share, before the sum of all is known
}

// trials are the experiments of a file by name.
type trials struct {
	at    seen
	bound map[string]bool // those that some binding names
	by    map[string]*Experiment
}

func (d *decoder) experiments(n *yaml.Node) {
	list(d, &d.cfg.Experiments, d.experiment)(n)
	d.trials.by = make(map[string]*Experiment)
	for i := range d.cfg.Experiments {
		d.trials.by[d.cfg.Experiments[i].Name] = &d.cfg.Experiments[i]
	}
}

func (d *decoder) experiment(e *Experiment) decode {
	return func(n *yaml.Node) {
		*e = Experiment{Unit: engine.UnitSession}
		var names seen
		got := d.object(n,
			req("name", value(d, &e.Name, ParseName)),
			req("slot", enum(d, &e.Slot, engine.SlotFilter, engine.SlotDialect)),
			opt("unit", enum(d, &e.Unit, engine.UnitSession, engine.UnitPrincipal, engine.UnitRequest)),
			req("arms", filled(d, &e.Arms, func(a *Arm) decode { return d.arm(a, &names) }, "want at least one arm")),
			opt("shadow", list(d, &e.Shadow, func(b *Binding) decode { return d.bindingAs(b, "experiments[].shadow[]", "shadow", &names) })),
		)
		if got == nil {
			return
		}
		d.uniqueName(&d.trials.at, got["name"], e.Name, "experiment")
		d.checkArms(e, got)
		d.later = append(d.later, func() {
			if e.Name != "" && !d.trials.bound[e.Name] {
				d.fail(n, "experiment %q is bound nowhere, want a filter or a dialect with \"experiment: %s\"", e.Name, e.Name)
			}
		})
	}
}

func (d *decoder) arm(a *Arm, names *seen) decode {
	a.Weight = 1
	return d.bindingAs(&a.Binding, "experiments[].arms[]", "arm", names, opt("weight", value(d, &a.Weight, parseWeight)))
}

// bindingAs reads a binding whose name differs from those of the list's others. what calls it in messages.
func (d *decoder) bindingAs(b *Binding, place, what string, names *seen, more ...field) decode {
	return d.binding(b, place, func(at *yaml.Node) {
		by := what
		if at.Value != b.Name {
			by += " named after"
		}
		d.uniqueName(names, at, b.Name, by)
	}, more...)
}

// checkArms refuses arms among which no request could be divided, and shadows that could not run beside.
func (d *decoder) checkArms(e *Experiment, got map[string]*yaml.Node) {
	total := 0.0
	for i := range e.Arms {
		total += e.Arms[i].Weight
	}
	switch {
	case len(e.Arms) > engine.MaxArms:
		d.fail(got["arms"], "arms: %d of them, want at most %d", len(e.Arms), engine.MaxArms)
	case len(e.Arms) > 0 && total <= 0:
		d.fail(got["arms"], "arms: the weights are all 0, want one above it")
	}
	switch {
	case len(e.Shadow) > maxShadows:
		d.fail(got["shadow"], "shadow: %d of them, want at most %d", len(e.Shadow), maxShadows)
	case len(e.Shadow) > 0 && e.Slot == engine.SlotDialect:
		d.fail(got["shadow"], "shadow: a dialect edits the request it is given, so none can run beside another, want slot filter, or an arm")
	}
}

func parseWeight(s string) (float64, error) {
	w, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(w) || w < 0 || w > 1_000_000 {
		return 0, errors.New("want a number from 0 to 1000000")
	}
	return w, nil
}

// experimentName reads the name of an experiment for slot, which may stand later in the file.
func (d *decoder) experimentName(b *Binding, slot engine.SlotKind) decode {
	read := value(d, &b.Experiment, ParseName)
	return func(n *yaml.Node) {
		if d.trials.bound == nil {
			d.trials.bound = make(map[string]bool)
		}
		if n.Kind == yaml.SequenceNode {
			for _, one := range n.Content {
				d.trials.bound[one.Value] = true
			}
			d.fail(n, "experiment: a list, want one name: a binding is part of one experiment")
			return
		}
		if read(n); b.Experiment == "" {
			return // reported
		}
		d.trials.bound[b.Experiment] = true
		d.later = append(d.later, func() { d.checkBound(b, slot, n) })
	}
}

func (d *decoder) checkBound(b *Binding, slot engine.SlotKind, n *yaml.Node) {
	e := d.trials.by[b.Experiment]
	switch {
	case e == nil && len(d.trials.by) == 0:
		d.fail(n, "experiment: unknown experiment %s, and the file has none", shown(n))
	case e == nil:
		var all []string
		for i := range d.cfg.Experiments {
			all = append(all, d.cfg.Experiments[i].Name)
		}
		d.fail(n, "experiment: unknown experiment %s, want %s", shown(n), wanted(n.Value, all))
	case e.Slot != "" && e.Slot != slot:
		d.fail(n, "experiment: %s is for slot %s, want one for slot %s", shown(n), e.Slot, slot)
	}
}
