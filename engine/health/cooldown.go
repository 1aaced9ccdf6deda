package health

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"sluice/engine"
)

// maxScopes is for how many models one account may cool at once. Clients choose the names.
const maxScopes = 64

// coolings are the cool-downs of one account, one for each scope and hardness. They are never written once they are published.
type coolings []rest

// rest is one cool-down.
type rest struct {
	engine.Cooling
	config *engine.Upstream // of a dead credential: where it is dead; another config may have a living one
}

// covers reports whether r is about a request.
func (r *rest) covers(a *engine.Account) bool {
	switch {
	case r.Class == engine.ClassCredential && r.config != a.Upstream:
		return false
	case r.Scope == "":
		return true
	case r.Family:
		return isOf(a, r.Scope)
	}
	return r.Scope == a.Served()
}

// isOf reports whether a request is for a model of a family, such as opus, by the name that the upstream has for it.
func isOf(a *engine.Account, family string) bool {
	return strings.Contains(strings.ToLower(a.Served()), family)
}

// of is the one cool-down that counts for a request, zero = none: a hard one before a soft one, then the longest.
func (cs coolings) of(a *engine.Account, now time.Time) engine.Cooling {
	var found engine.Cooling
	for i := range cs {
		c := &cs[i]
		if !c.Until.After(now) || !c.covers(a) {
			continue
		}
		if found.Class == "" || found.Soft && !c.Soft || found.Soft == c.Soft && c.Until.After(found.Until) {
			found = c.Cooling
		}
	}
	return found
}

// models are those about one model or family of models, by its name.
func (cs coolings) models(now time.Time) []engine.Cooling {
	var found []engine.Cooling
	for i := range cs {
		if c := &cs[i]; c.Scope != "" && c.Until.After(now) {
			found = append(found, c.Cooling)
		}
	}
	slices.SortFunc(found, func(a, b engine.Cooling) int {
		return cmp.Or(strings.Compare(a.Scope, b.Scope), a.Until.Compare(b.Until))
	})
	return found
}

// like reports whether two are of one kind: the longer one counts.
func (r *rest) like(o *rest) bool {
	return r.Scope == o.Scope && r.Family == o.Family && r.Soft == o.Soft && r.config == o.config
}

// tell reports whether c is no news: there is one like it that ends no earlier, but for a second within which answers differ. Nor is what
// rests for one more model where there are so many already: clients choose the names.
func (cs coolings) tell(c rest, now time.Time) bool {
	return c.Soft && c.Scope != "" && len(cs) >= maxScopes || slices.ContainsFunc(cs, func(old rest) bool {
		end := old.Until
		if old.Class == c.Class {
			end = end.Add(time.Second)
		}
		return old.Until.After(now) && old.like(&c) && !c.Until.After(end)
	})
}

// with is cs with one more, without those that are over. One that ends earlier than another of its kind changes nothing.
func (cs coolings) with(c rest, now time.Time) coolings {
	out := make(coolings, 0, len(cs)+1)
	for _, old := range cs {
		same := old.like(&c)
		switch {
		case !old.Until.After(now):
		case same && old.Until.Before(c.Until):
		case same:
			return cs
		default:
			out = append(out, old)
		}
	}
	if len(out) >= maxScopes {
		least := 0
		for i := range out {
			if out[i].before(&out[least]) {
				least = i
			}
		}
		out = slices.Delete(out, least, least+1)
	}
	return append(out, c)
}

// before reports whether r is given up before o, where there are too many: what nobody insists on goes first, then what ends first.
func (r *rest) before(o *rest) bool {
	if r.Soft != o.Soft {
		return r.Soft
	}
	return r.Until.Before(o.Until)
}

// worked is cs after a success, without what is over: that is also what nobody insisted on, and not a real exhaustion.
func (cs coolings) worked(a *engine.Account, now time.Time) coolings {
	return slices.DeleteFunc(slices.Clone(cs), func(r rest) bool { return !r.Until.After(now) || r.Soft && r.covers(a) })
}
