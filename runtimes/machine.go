package runtimes

import (
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// machine finds what the library finds, of the matches that begin first the one that prefers each alternative before the next, and is slower
// where that has an easy expression. Beyond that it begins anywhere in a text that is looked back at, and looks at the clock by what it does,
// which is up to as many steps a byte as the expression has instructions. It goes through the text once, on all ways at a time on which a
// match may go on. One goroutine uses it.
type machine struct {
	call   *Call
	prog   *syntax.Prog
	prefix string // each match begins with it
	first  bool   // a match begins where the text does
	text   string
	width  int  // positions of a match: two, and two for each group
	any    bool // whether there is a match is all that is asked

	now, next     *ways
	seen          []int // by instruction: the last turn in which a way came to it
	turn          int
	before, after rune // around the place that ways come to; -1 = the text ends
	match         []int
	found         bool
	work          int // since the last look at the clock
	paid          int // steps of the call's that are paid for and not taken
}

// ways are the instructions that a match may go on with, those before that it prefers.
type ways struct {
	at        []uint32
	positions []int // of the match so far, width for each
}

func (w *ways) clear() { w.at, w.positions = w.at[:0], w.positions[:0] }

// machineWork is how much a machine does between two looks at the clock: some 100 us, which are half as many steps of the call's.
const machineWork = 8 << 10

// machine is one for the matches of an expression in s. One search of the usual kind is paid for already.
func (c *Call) machine(re *compiled, s string, any bool) (*machine, error) {
	prog, err := re.prog()
	if err != nil {
		return nil, err
	}
	m := &machine{call: c, prog: prog, text: s, width: 2, any: any,
		paid: re.searchSteps(len(s))}
	if !any {
		m.width += 2 * re.NumSubexp()
	}
	m.prefix, _ = prog.Prefix()
	m.first = prog.StartCond()&syntax.EmptyBeginText != 0
	insts := len(prog.Inst)
	if err := c.allocate(insts * (8 + 2*(4+8*m.width))); err != nil {
		return nil, err
	}
	m.seen, m.match = make([]int, insts), make([]int, m.width)
	m.now, m.next = newWays(insts, m.width), newWays(insts, m.width)
	return m, nil
}

// newWays has room for a way at each instruction.
func newWays(insts, width int) *ways {
	return &ways{make([]uint32, 0, insts), make([]int, 0, insts*width)}
}

// find is where the first match is that begins at from or later, nil = there is none.
func (m *machine) find(from int) ([]int, error) {
	m.found = false
	m.now.clear()
	m.turn++
	before, _ := utf8.DecodeLastRuneInString(m.text[:from])
	if from == 0 {
		before = -1
	}
	at := from
	r, size := m.rune(at)
	for {
		if len(m.now.at) == 0 {
			if m.found || at > 0 && m.first {
				break
			}
			if skip := m.skip(at); skip < 0 {
				break
			} else if skip > 0 {
				at += skip
				before, _ = utf8.DecodeLastRuneInString(m.text[:at])
				r, size = m.rune(at)
				m.turn++
			}
		}
		if !m.found {
			m.before, m.after = before, r
			m.begin(at)
		}
		next, nextSize := m.rune(at + size)
		m.before, m.after = r, next
		m.step(at, at+size, r)
		if size == 0 || m.any && m.found {
			break
		}
		if err := m.look(); err != nil {
			return nil, err
		}
		at, before, r, size = at+size, r, next, nextSize
	}
	if !m.found {
		return nil, nil
	}
	return slices.Clone(m.match), nil
}

// skip is how far it is from a place to the next where a match may begin, negative = there is none.
func (m *machine) skip(at int) int {
	if m.prefix == "" {
		return 0
	}
	return strings.Index(m.text[at:], m.prefix)
}

// rune is the one at a place, and how long it is; -1 and 0 at the end.
func (m *machine) rune(at int) (rune, int) {
	switch {
	case at >= len(m.text):
		return -1, 0
	case m.text[at] < utf8.RuneSelf:
		return rune(m.text[at]), 1
	}
	return utf8.DecodeRuneInString(m.text[at:])
}

func (m *machine) look() error {
	if m.work++; m.work < machineWork {
		return nil
	}
	m.work = 0
	if m.paid -= machineWork / 2; m.paid < 0 {
		m.paid = 0
		if err := m.call.spend(machineWork / 2); err != nil {
			return err
		}
	}
	return m.call.look()
}

// begin adds the way of a match that begins at a place.
func (m *machine) begin(at int) {
	for i := range m.match {
		m.match[i] = -1
	}
	m.match[0] = at
	m.add(m.now, uint32(m.prog.Start), at, m.match)
}

// step goes on with each way by the rune r, which reaches from at to next. What comes behind a way that has found its match is not preferred.
func (m *machine) step(at, next int, r rune) {
	m.turn++
	for i, pc := range m.now.at {
		positions := m.now.positions[i*m.width : (i+1)*m.width]
		inst := &m.prog.Inst[pc]
		if inst.Op == syntax.InstMatch {
			m.found = true
			copy(m.match, positions)
			m.match[1] = at
			break
		}
		if next > at && takes(inst, r) {
			m.add(m.next, inst.Out, next, positions)
		}
	}
	m.now.clear()
	m.now, m.next = m.next, m.now
}

// takes reports whether an instruction that takes a rune takes this one.
func takes(inst *syntax.Inst, r rune) bool {
	switch inst.Op {
	case syntax.InstRune1:
		return r == inst.Rune[0]
	case syntax.InstRuneAny:
		return true
	case syntax.InstRuneAnyNotNL:
		return r != '\n'
	}
	return inst.MatchRune(r)
}

// add has a way come to an instruction at a place, and from there to those that take a rune or are a match.
func (m *machine) add(to *ways, pc uint32, at int, positions []int) {
	for m.seen[pc] != m.turn {
		m.seen[pc] = m.turn
		m.work += 1 + m.width/8
		inst := &m.prog.Inst[pc]
		switch inst.Op {
		case syntax.InstFail:
			return
		case syntax.InstAlt, syntax.InstAltMatch:
			m.add(to, inst.Out, at, positions)
			pc = inst.Arg
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(inst.Arg)&^syntax.EmptyOpContext(m.before, m.after) != 0 {
				return
			}
			pc = inst.Out
		case syntax.InstCapture:
			if int(inst.Arg) < m.width {
				old := positions[inst.Arg]
				positions[inst.Arg] = at
				m.add(to, inst.Out, at, positions)
				positions[inst.Arg] = old
				return
			}
			pc = inst.Out
		case syntax.InstNop:
			pc = inst.Out
		default:
			to.at = append(to.at, pc)
			to.positions = append(to.positions, positions...)
			return
		}
	}
}
