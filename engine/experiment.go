package engine

import "strings"

// MaxArms bounds the arms of an experiment.
const MaxArms = 32

// Unit says what keeps its arm in an experiment.
type Unit string

// The units. A session is one of its principal's; a request that names none has its principal's arm.
const (
	UnitSession   Unit = "session"
	UnitPrincipal Unit = "principal"
	UnitRequest   Unit = "request"
)

// Experiment divides requests among arms. It belongs to one generation and may be used by many goroutines.
type Experiment interface {
	// Assign gives x's unit its arm. Arms whose bit is set in aside do not run for now, and their units go to others.
	Assign(x *Exchange, aside uint32) ArmChoice
	// Arms are the choices there are, by index, without a unit.
	Arms() []ArmChoice
	// Settle takes what came of a request that had an arm. r is only read.
	Settle(c ArmChoice, r *Record)
}

// ArmChoice is the arm that a request has in one experiment.
type ArmChoice struct {
	Experiment Experiment
	Arm        int    // index
	Label      string // NAME=ARM
	Unit       uint64 // tells units apart
}

// arm is the arm that x has in e. It keeps it, whatever happens meanwhile: a preview may have set it as well.
func (x *Exchange) arm(e Experiment, aside uint32) int {
	for i := range x.Arms {
		if x.Arms[i].Experiment == e {
			return x.Arms[i].Arm
		}
	}
	c := e.Assign(x, aside)
	x.Arms = append(x.Arms, c)
	return c.Arm
}

// ArmLabels is NAME=ARM, of several experiments with ", " between; "" = x is in none.
func (x *Exchange) ArmLabels() string {
	switch len(x.Arms) {
	case 0:
		return ""
	case 1:
		return x.Arms[0].Label
	}
	labels := make([]string, len(x.Arms))
	for i := range x.Arms {
		labels[i] = x.Arms[i].Label
	}
	return strings.Join(labels, ", ")
}

// Serving is the slot that runs for x: f itself, or an arm of its experiment.
func (f *FilterSlot) Serving(x *Exchange) *FilterSlot {
	if f.Experiment == nil {
		return f
	}
	var aside uint32
	for i, arm := range f.Arms {
		aside |= arm.Guard.aside(x.Principal) << i
	}
	return f.Arms[x.arm(f.Experiment, aside)]
}

// Serving is the slot that runs for x: d itself, or an arm of its experiment.
func (d *DialectSlot) Serving(x *Exchange) *DialectSlot {
	if d.Experiment == nil {
		return d
	}
	var aside uint32
	for i, arm := range d.Arms {
		aside |= arm.Guard.aside(x.Principal) << i
	}
	return d.Arms[x.arm(d.Experiment, aside)]
}

// aside is 1 where the script does not run for a principal, else 0.
func (g *Guard) aside(p *Principal) uint32 {
	if g != nil && g.Standing.Aside(p.Name) != nil {
		return 1
	}
	return 0
}

// All are the slots that have scripts: f itself, or the arms and the shadows of its experiment.
func (f *FilterSlot) All() []*FilterSlot {
	if f.Experiment == nil {
		return []*FilterSlot{f}
	}
	return append(f.Arms[:len(f.Arms):len(f.Arms)], f.Shadows...)
}

// All are the slots that have scripts: d itself, or the arms of its experiment.
func (d *DialectSlot) All() []*DialectSlot {
	if d.Experiment == nil {
		return []*DialectSlot{d}
	}
	return d.Arms
}
