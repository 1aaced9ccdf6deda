package ledger

import (
	"github.com/google/uuid"

	"sluice/engine"
)

// trace reads a member of a row that belongs to its trace. Candidates stand before what names them.
func (p *parser) trace(key []byte, t *engine.RoutingTrace) bool {
	switch string(key) {
	case "candidates":
		p.list(func() { t.Candidates = append(t.Candidates, p.candidate()) })
	case "stages":
		p.list(func() { t.Stages = append(t.Stages, p.stage(t)) })
	case "picked":
		t.Terminal = p.picked()
	case "attempts":
		p.list(func() { t.Attempts = append(t.Attempts, p.attempt()) })
	case "errors":
		p.list(func() { t.Errors = append(t.Errors, p.fault()) })
	default:
		return false
	}
	return true
}

func (p *parser) stage(t *engine.RoutingTrace) (s engine.StageDecision) {
	p.object(func(key []byte) {
		switch string(key) {
		case "stage":
			s.Stage = p.word()
		case "script":
			s.Script = p.word()
		case "kept":
			p.list(func() { s.Kept = append(s.Kept, p.upstream(t)) })
		case "reasons":
			p.list(func() { s.Dropped = append(s.Dropped, p.reason(t)) })
		case "reason":
			s.Reason = p.word()
		case "error":
			s.Error = p.word()
		case "denied":
			s.Denied = p.flag()
		case "duration_ns":
			s.Duration = p.duration()
		default:
			p.skip()
		}
	})
	return s
}

func (p *parser) reason(t *engine.RoutingTrace) (r engine.PerCandidateReason) {
	p.object(func(key []byte) {
		switch string(key) {
		case "upstream":
			r.UpstreamID = p.upstream(t)
		case "kept":
			r.Kept = p.flag()
		case "reason":
			r.Reason = p.word()
		default:
			p.skip()
		}
	})
	return r
}

func (p *parser) picked() (d engine.TerminalDecision) {
	p.object(func(key []byte) {
		switch string(key) {
		case "upstream":
			d.Upstream = p.word()
		case "by":
			d.By = p.word()
		case "script":
			d.Script = p.word()
		default:
			p.skip()
		}
	})
	return d
}

func (p *parser) attempt() (a engine.Attempt) {
	p.object(func(key []byte) {
		switch string(key) {
		case "upstream":
			a.Upstream = p.word()
		case "status":
			a.Status = int(p.number())
		case "error":
			a.Error = p.text()
		case "ttfb_ns":
			a.TTFB = p.duration()
		case "class":
			a.Class = engine.FailureClass(p.word())
		case "cooling":
			a.Cooling = p.cooling()
		default:
			p.skip()
		}
	})
	return a
}

func (p *parser) fault() (e engine.InternalError) {
	p.object(func(key []byte) {
		switch string(key) {
		case "stage":
			e.Stage = engine.InternalErrorStage(p.word())
		case "kind":
			e.Kind = engine.InternalErrorKind(p.word())
		case "message":
			e.Message = p.text()
		case "stack":
			p.list(func() { e.Stack = append(e.Stack, p.word()) })
		default:
			p.skip()
		}
	})
	return e
}

// candidate reads an upstream as it was. What a row does not say of it is empty, and an id follows from the name.
func (p *parser) candidate() engine.UpstreamCandidate {
	m := &struct {
		engine.Upstream
		engine.Vitals
	}{Vitals: engine.Vitals{Healthy: true, Breaker: closedBreaker}}
	u, v := &m.Upstream, &m.Vitals
	c := engine.UpstreamCandidate{Upstream: u, Vitals: v}
	if p.peek() == '"' {
		u.Name = p.word()
		u.ID = engine.UpstreamID(u.Name)
		return c
	}
	own := false
	p.object(func(key []byte) {
		switch string(key) {
		case "upstream":
			u.Name = p.word()
		case "id":
			id, err := uuid.ParseBytes(p.raw())
			if err != nil {
				p.fail()
			}
			u.ID, own = id, true
		case "cache_read":
			n := p.number()
			c.CacheRead = &n
		default:
			if !p.vital(key, v) {
				p.skip()
			}
		}
	})
	if !own {
		u.ID = engine.UpstreamID(u.Name)
	}
	return c
}

func (p *parser) vital(key []byte, v *engine.Vitals) bool {
	switch string(key) {
	case "unhealthy":
		v.Healthy = !p.flag()
	case "cooldown_ns":
		v.Cooldown = p.duration()
	case "breaker":
		v.Breaker = p.word()
	case "cooling":
		v.Cooling = p.cooling()
	case "reopens_ns":
		v.Reopens = p.duration()
	case "full":
		v.Full = p.flag()
	case "queued":
		v.Queued = int(p.number())
	case "in_flight":
		v.InFlight = int(p.number())
	case "concurrency":
		v.Concurrency = int(p.number())
	case "error_rate":
		v.ErrorRate = p.float()
	case "ttfb_ns":
		v.TTFB = p.duration()
	case "rate_limits":
		p.list(func() { v.RateLimits = append(v.RateLimits, p.rateLimit()) })
	case "quotas":
		p.list(func() { v.Quotas = append(v.Quotas, p.quota()) })
	default:
		return false
	}
	return true
}

func (p *parser) cooling() (c engine.Cooling) {
	p.object(func(key []byte) {
		switch string(key) {
		case "class":
			c.Class = engine.FailureClass(p.word())
		case "account":
			c.Account = p.word()
		case "scope":
			c.Scope = p.word()
		case "family":
			c.Family = p.flag()
		case "until_ms":
			c.Until = p.millis()
		case "soft":
			c.Soft = p.flag()
		default:
			p.skip()
		}
	})
	return c
}

func (p *parser) rateLimit() (l engine.RateLimit) {
	p.object(func(key []byte) {
		switch string(key) {
		case "kind":
			l.Kind = p.word()
		case "window":
			l.Window = p.word()
		case "limit":
			l.Limit = p.number()
		case "remaining":
			l.Remaining = p.number()
		case "resets_ms":
			l.Resets = p.millis()
		default:
			p.skip()
		}
	})
	return l
}

func (p *parser) quota() (q engine.Quota) {
	p.object(func(key []byte) {
		switch string(key) {
		case "window":
			q.Window = p.word()
		case "status":
			q.Status = p.word()
		case "utilization":
			q.Utilization = p.float()
		case "resets_ms":
			q.Resets = p.millis()
		case "observed_ms":
			q.Observed = p.millis()
		default:
			p.skip()
		}
	})
	return q
}
