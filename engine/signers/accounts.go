package signers

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
)

// Options are what Accounts need of the world.
type Options struct {
	// Shelf keeps rotated tokens. Nil is for a look at a config: nothing is kept, and nobody signs.
	Shelf Shelf
	// Roots vouch for token endpoints and cloud services. Nil is the system's.
	Roots func() *x509.CertPool
	// Warn tells the operator something, in one line, from any goroutine. Nil drops it.
	Warn func(string)
	// Now is the clock, nil = time.Now.
	Now func() time.Time
}

// Shelf keeps small files durably: once Replace returned, a crash leaves the new text, and before that the old one. Read's error is
// fs.ErrNotExist where there is none.
type Shelf interface {
	Read(name string) ([]byte, error)
	Replace(name string, text []byte) error
}

// Accounts are the upstream accounts whose credentials are renewed while the gateway runs. They live beside the generations: one that
// two generations know is one account, and is renewed once. Its methods may be called from any goroutine.
type Accounts struct {
	options Options
	client  func() *http.Client
	runs    sync.WaitGroup // renewals under way

	mu      sync.Mutex // guards what follows
	known   map[[sha256.Size]byte]any
	owners  map[uuid.UUID]*owner // who may renew the token of an upstream
	exposed bool                 // it was said that tokens are kept unencrypted
}

// NewAccounts makes accounts without any. The caller ends them with Close.
func NewAccounts(o Options) *Accounts {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	a := &Accounts{options: o, known: make(map[[sha256.Size]byte]any), owners: make(map[uuid.UUID]*owner)}
	a.client = sync.OnceValue(func() *http.Client { return newClient(o.Roots) })
	return a
}

// Close waits for renewals under way, and keeps what the shelf did not take so far, so that no rotated token is lost. Nobody may sign any
// more.
func (a *Accounts) Close() error {
	a.runs.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	for _, o := range a.owners {
		errs = append(errs, o.end())
	}
	return errors.Join(errs...)
}

// account returns what is known under a key that says everything about an account, or makes it.
func account[T any](a *Accounts, key string, create func() *T) *T {
	sum := sha256.Sum256([]byte(key))
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := a.known[sum].(*T); ok {
		return known
	}
	made := create()
	a.known[sum] = made
	return made
}

// newRenewer makes the renewer of an account, which is that of the upstream of this name.
func newRenewer[T any](a *Accounts, upstream string, fetch func(context.Context, *lease[T]) (*lease[T], error)) *renewer[T] {
	say := func(text string) { a.options.Warn(fmt.Sprintf("upstream %q: %s", upstream, text)) }
	return &renewer[T]{fetch: fetch, now: a.options.Now, runs: &a.runs, say: say}
}

// Adopt makes the accounts of a build the ones that are renewed, with dataKey ("" = none) for what is kept of them. A token that another
// config of the same upstream was about to renew is not renewed any more. It reads and writes the shelf.
func (a *Accounts) Adopt(dataKey string, factories iter.Seq[engine.SignerFactory]) {
	if a.options.Shelf == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	exposed := false
	for f := range factories {
		account, ok := f.(oauth)
		if !ok {
			continue
		}
		o := account.owner
		exposed = dataKey == ""
		before := a.owners[o.upstream]
		if before == o && o.adopted != nil && o.adopted() == dataKey {
			continue // it may be renewing, which nobody has to wait for
		}
		if before != nil && before != o {
			before.retire()
		}
		a.owners[o.upstream], o.adopted = o, newSecret(dataKey)
		if err := o.adopt(dataKey); err != nil {
			o.adopted = nil
			a.options.Warn(fmt.Sprintf("upstream %q: %v", o.name, err))
		}
	}
	if exposed && !a.exposed {
		a.options.Warn("tokens are kept unencrypted in the data directory, readable by this user alone: set data_key to encrypt them")
	}
	a.exposed = exposed
}

// newClient is for token endpoints and cloud services: no proxy, no redirect, and no kept connection, on which a token that works once
// could be sent twice.
func newClient(roots func() *x509.CertPool) *http.Client {
	t := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout:    5 * time.Second,
		ResponseHeaderTimeout:  15 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableKeepAlives:      true,
		TLSClientConfig:        tlsConfig(roots),
	}
	return &http.Client{Transport: t, Timeout: 15 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
