package experiment

import (
	"github.com/cespare/xxhash/v2"

	"sluice/engine"
)

// Live is an experiment in one generation.
type Live struct {
	def    Definition
	says   string
	trial  *trial
	layout layout
	shares []int // slots of each arm

	choices []engine.ArmChoice
	arms    []*counts
	shadows []*counts
}

var _ engine.Experiment = (*Live)(nil)

// Arms are the choices there are.
func (l *Live) Arms() []engine.ArmChoice { return l.choices }

// Meter is where calls of an arm count.
func (l *Live) Meter(arm int) *engine.Meter { return l.arms[arm].meter }

// ShadowMeter is where calls of a shadow count.
func (l *Live) ShadowMeter(shadow int) *engine.Meter { return l.shadows[shadow].meter }

// Assign gives x's unit its arm: what is promoted, or else what the layout says, or while that is put aside another, by their weights.
func (l *Live) Assign(x *engine.Exchange, aside uint32) engine.ArmChoice {
	unit := l.unit(x)
	arm := int(l.layout[unit%Slots])
	if p := l.trial.promoted.Load(); p != nil && p.Under == l.says {
		arm = l.index(p.Arm)
	}
	if aside&(1<<arm) != 0 {
		if !x.Dry {
			l.arms[arm].diverted.Add(1)
		}
		arm = l.other(unit, arm, aside)
	}
	c := l.choices[arm]
	c.Unit = unit
	return c
}

func (l *Live) index(arm string) int {
	for i := range l.def.Arms {
		if l.def.Arms[i].Name == arm {
			return i
		}
	}
	return 0 // cannot be: what is promoted is an arm
}

// other is the arm that a unit has while its own, arm, does not run: arm all the same if no other one with a share does.
func (l *Live) other(unit uint64, arm int, aside uint32) int {
	total := 0
	for i, n := range l.shares {
		if i != arm && aside&(1<<i) == 0 {
			total += n
		}
	}
	if total == 0 {
		return arm
	}
	point := int(unit / Slots % uint64(total))
	for i, n := range l.shares {
		if i == arm || aside&(1<<i) != 0 {
			continue
		}
		if point < n {
			return i
		}
		point -= n
	}
	return arm
}

// unit is x's unit as a number, the same in every release.
func (l *Live) unit(x *engine.Exchange) uint64 {
	switch {
	case l.def.Unit == engine.UnitRequest:
		return hashOf(l.def.Name, x.Request.RequestID)
	case l.def.Unit == engine.UnitSession && x.Request.SessionID != "":
		return hashOf(l.def.Name, x.Principal.Name, "/", x.Request.SessionID)
	}
	return hashOf(l.def.Name, x.Principal.Name)
}

// hashOf is where a unit of an experiment falls, before it is cut to a slot.
func hashOf(experiment string, unit ...string) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(experiment)
	_, _ = d.Write([]byte{0})
	for _, part := range unit {
		_, _ = d.WriteString(part)
	}
	return d.Sum64()
}
