package simulate

import (
	"slices"
	"strings"
)

// turn is what one request meets: a fault, or an answer to be sent as it is.
type turn struct {
	fault    fault
	verbatim *verbatim
}

type verbatim struct {
	status      int
	contentType string
	pieces      []string
	headers     []Header // all there are; nil: the usual ones
}

// SetFault changes the standing fault for the requests that arrive from now on. mode is one of FaultModes, "" is none.
func (p *Provider) SetFault(mode string) error {
	f, err := parseFault(mode)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.standing = f
	p.stand()
	return nil
}

// Next gives the requests that arrive next one fault each, in this order, before the standing one holds again. Calls queue up. If
// one mode is wrong none is taken.
func (p *Provider) Next(modes ...string) error {
	turns := make([]turn, len(modes))
	for i, m := range modes {
		f, err := parseTurn(m)
		if err != nil {
			return err
		}
		turns[i] = turn{fault: f}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, turns...)
	return nil
}

// NextAnswer queues, like Next, an answer that is sent as it is, whatever the request says, under the usual headers. With the
// content type text/event-stream every piece is one chunk of a stream, else the pieces together are the body.
func (p *Provider) NextAnswer(status int, contentType string, pieces ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, turn{fault{name: "none"}, &verbatim{status, contentType, slices.Clone(pieces), nil}})
}

// NextReply queues, like Next, an answer that is sent as it is, under these headers alone, to a request whose credential counts. A
// single piece is the body, several are one chunk each.
func (p *Provider) NextReply(status int, headers []Header, pieces ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := append([]Header{}, headers...)
	p.queue = append(p.queue, turn{fault{name: "none"}, &verbatim{status, "", slices.Clone(pieces), all}})
}

// SetHeader puts a header on all answers from now on, in place of the one they would carry. The value "" leaves the header out.
func (p *Provider) SetHeader(name, value string) {
	name = strings.ToLower(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	next := slices.DeleteFunc(slices.Clone(p.headers), func(h Header) bool { return h.Name == name })
	p.headers = append(next, Header{name, value})
}

// SetUnified puts the anthropic-ratelimit-unified headers of a subscription on all answers from now on, with these utilizations, 0
// to 1, of the five hour and the seven day window. From 0.9 on a window warns. It makes no answer a 429: the fault 429-window does.
func (p *Provider) SetUnified(fiveHour, sevenDay float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unified = &unified{fiveHour, sevenDay}
}

// nextTurn is called with the lock held.
func (p *Provider) nextTurn() (fault, *verbatim) {
	if len(p.queue) == 0 {
		return p.standing, nil
	}
	t := p.queue[0]
	p.queue = p.queue[1:]
	return t.fault, t.verbatim
}

// wishHeader is the header by which a request asks for its own fault: MODE, or NAME:MODE for the provider of that name alone; several by
// commas.
const wishHeader = "x-simulate-fault"

// wish is the fault that r asks for here, the zero fault if none.
func (p *Provider) wish(r *Request) (fault, error) {
	for wish := range strings.SplitSeq(r.Header(wishHeader), ",") {
		name, mode, named := strings.Cut(strings.TrimSpace(wish), ":")
		if !named {
			name, mode = p.opts.Name, name
		}
		if name == p.opts.Name && mode != "" {
			return parseTurn(mode)
		}
	}
	return fault{}, nil
}
