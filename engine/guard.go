package engine

import (
	"fmt"
	"time"
)

// Guard is what the calls of one slot run under. A slot without one calls its plugin on the request's own goroutine.
type Guard struct {
	Crew     *Crew
	Standing *Standing
	Budget   Budget // of the binding
	Memory   Memory // of what answers are held in for the script; nil = nobody counts that
}

// run runs one call for a principal, unless its script is put aside. bytes are those of the body it may work on. The error is j's own, or
// a *ScriptError or an *AsideError; kept says that j was left behind and is not to be touched again.
func (g *Guard) run(j job, p *Principal, bytes int, dry bool) (kept bool, err error) {
	if aside := g.putAside(p); aside != nil {
		return false, &AsideError{g.Standing.Script, *aside}
	}
	out := g.Crew.do(j, g, nameOf(p), g.Budget.ForBody(bytes).Time)
	if err = out.err; out.left {
		err = g.lost(bytes)
	}
	if err != nil && !dry {
		g.Standing.note(nameOf(p), scriptErrorOf(err), time.Now())
	}
	return out.left, err
}

// putAside is why the script is put aside for a principal, nil = it is not.
func (g *Guard) putAside(p *Principal) *Aside { return g.Standing.Aside(nameOf(p)) }

func nameOf(p *Principal) string {
	if p == nil {
		return GlobalPrincipal
	}
	return p.Name
}

// lost is the error of a call that was left behind.
func (g *Guard) lost(bytes int) *ScriptError {
	text := fmt.Sprintf("the call did not end within budgets.time: %v", g.Budget.Time)
	if bytes > 0 && g.Budget.TimePerMiB > 0 {
		text += fmt.Sprintf(" and per_mib.time: %v", g.Budget.TimePerMiB)
	}
	return &ScriptError{File: g.Standing.Script, Budget: "time", Message: text + ", and was left behind"}
}
