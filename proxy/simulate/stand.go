package simulate

import (
	"fmt"
	"net"
)

// stand carries out what a fault of connections does by standing, and ends what the one before did. It is called with the lock held.
func (p *Provider) stand() {
	if p.standing.name == refuses && p.ln != nil {
		_ = p.ln.Close()
	}
	if p.standing.name != halfOpen {
		for c := range p.conns {
			if c.held {
				delete(p.conns, c)
				c.reset()
			}
		}
	}
	p.turn()
}

// turn wakes who waits for another fault. It is called with the lock held.
func (p *Provider) turn() {
	if p.turned != nil {
		close(p.turned)
		p.turned = nil
	}
}

// listenAgain waits until connections are not refused any more, and listens where it did before. The listener is nil when the provider is
// closed.
func (p *Provider) listenAgain() (net.Listener, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.closed && p.standing.name == refuses {
		if p.turned == nil {
			p.turned = make(chan struct{})
		}
		turned := p.turned
		p.mu.Unlock()
		<-turned
		p.mu.Lock()
	}
	if p.closed {
		return nil, nil
	}
	ln, err := net.Listen("tcp", p.addr.String())
	if err != nil {
		return nil, fmt.Errorf("simulate: listen again: %w", err)
	}
	p.ln = ln
	return ln, nil
}

// Connections is the number of connections that are open.
func (p *Provider) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}
