package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/url"
	"os"
	"slices"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/engine/config"
	"sluice/engine/health"
	"sluice/engine/prices"
	"sluice/engine/reload"
	"sluice/engine/signers"
)

// plan is what a config alone says, made once per version of it. Generations share it until the config changes.
type plan struct {
	text       [sha256.Size]byte // the sum of the config
	sum        [sha256.Size]byte // over that and the files that it names
	files      []string          // in the order in which they were read
	cfg        *config.Config
	upstreams  []*engine.Upstream  // sorted by id
	principals []*engine.Principal // as in the config
	signers    map[uuid.UUID]engine.SignerFactory
	cert       *tls.Certificate // nil = plain HTTP
	prices     *prices.Table
}

// read parses the config, or returns the plan that there is of it: where a config is refused, builds are of that and of the one that serves.
func (b *builder) read(in *reload.Input) (*plan, error) {
	text := in.Config
	if b.text != nil {
		text = b.text
	}
	for _, p := range [...]*plan{b.parsed, b.serving} {
		if p != nil && p.stands(b.contents(in, text)) {
			return p, nil
		}
	}
	is := b.contents(in, text)
	sum := is.total()
	cfg, err := b.parse(text, is.file)
	if err != nil {
		return nil, err
	}
	if b.amend != nil {
		b.amend(cfg)
	}
	if err := b.checkFixed(cfg); err != nil {
		return nil, err
	}
	p, err := b.newPlan(cfg, is.file)
	if err != nil {
		return nil, err
	}
	p.text, p.sum, p.files = sum, is.total(), is.files
	b.parsed = p
	b.warnOfPast(cfg)
	return p, nil
}

// stands reports whether a config, of which nothing else was read yet, is the plan's, and the files that it names are as they were.
func (p *plan) stands(is *contents) bool {
	if is.total() != p.text {
		return false
	}
	for _, name := range p.files {
		_, _ = is.file(name)
	}
	return is.total() == p.sum
}

// contents sum up a config and the files that it names as they are read.
type contents struct {
	open  func(name string) ([]byte, error)
	sum   hash.Hash
	files []string
}

func (b *builder) contents(in *reload.Input, text []byte) *contents {
	c := &contents{open: func(name string) ([]byte, error) { return in.ReadFile(b.path(name)) }, sum: sha256.New()}
	c.sum.Write(text)
	return c
}

func (c *contents) file(name string) ([]byte, error) {
	data, err := c.open(name)
	c.files = append(c.files, name)
	fmt.Fprintf(c.sum, "\x00%s\x00%v\x00%d\x00%s", name, err, len(data), data)
	return data, err
}

func (c *contents) total() (sum [sha256.Size]byte) {
	c.sum.Sum(sum[:0])
	return sum
}

func (b *builder) parse(text []byte, read func(string) ([]byte, error)) (*config.Config, error) {
	cfg, err := config.Parse(b.name, text, config.Env{Var: os.LookupEnv, Vars: os.Environ, File: read})
	if err != nil {
		return nil, err
	}
	if cfg, err = cfg.WithListeners(b.listen, b.admin); err != nil {
		return nil, usageError{"sluice serve", err.Error()} // the config's own were checked by Parse
	}
	return cfg, nil
}

// checkFixed refuses what needs a restart.
func (b *builder) checkFixed(cfg *config.Config) error {
	was := b.fixed
	if was == nil {
		return nil
	}
	before, _ := onOff(was.TLS)
	tls, tlsPos := onOff(cfg.TLS)
	var errs []error
	for _, c := range []struct {
		key, was, is string
		at           config.Pos
	}{
		{"listen", was.Listen, cfg.Listen, cfg.ListenPos}, {"tls", before, tls, tlsPos},
		{"admin.listen", was.Admin.Listen, cfg.Admin.Listen, cfg.Admin.ListenPos}, {"data", was.Data, cfg.Data, cfg.DataPos},
	} {
		if c.was == c.is {
			continue
		}
		message := fmt.Sprintf("%s changed from %q to %q, which needs a restart", c.key, c.was, c.is)
		errs = append(errs, config.Error{File: b.name, Pos: orTop(c.at), Message: message})
	}
	return errors.Join(errs...)
}

func onOff(t *config.TLS) (string, config.Pos) {
	if t == nil {
		return "off", config.Pos{}
	}
	return "on", t.Pos
}

// newPlan makes what lasts as long as a config. An error has its place in the config.
func (b *builder) newPlan(cfg *config.Config, read func(string) ([]byte, error)) (*plan, error) {
	p := &plan{cfg: cfg, signers: make(map[uuid.UUID]engine.SignerFactory)}
	var errs []error
	note := func(at config.Pos, err error) {
		if err != nil {
			errs = append(errs, config.Error{File: b.name, Pos: at, Message: err.Error()})
		}
	}
	for i := range cfg.Upstreams {
		c := &cfg.Upstreams[i]
		u, err := newUpstream(c, cfg.Timeouts, read)
		note(c.Pos, err)
		if keeper, ok := b.vitals.(*health.Tracker); ok {
			u.Seat = keeper.Seat(u.ID, u.Account)
		}
		p.upstreams = append(p.upstreams, u)
		p.signers[c.ID], err = b.newSigner(c, read)
		note(c.Signer.Pos, err)
	}
	slices.SortFunc(p.upstreams, func(a, b *engine.Upstream) int { return slices.Compare(a.ID[:], b.ID[:]) })
	p.principals = principals(p)
	var err error
	if cfg.TLS != nil {
		p.cert, err = certificate(cfg.TLS, read)
		note(cfg.TLS.Pos, err)
	}
	p.prices, err = priceTable(cfg.Prices, read)
	note(cfg.PricesPos, err)
	return p, errors.Join(errs...)
}

// priceTable reads a file of prices, or the bundled one.
func priceTable(name string, read func(string) ([]byte, error)) (*prices.Table, error) {
	if name == "" {
		return prices.Bundled(), nil
	}
	data, err := read(name)
	if err != nil {
		return nil, fmt.Errorf("prices: %w", err)
	}
	table, err := prices.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("prices: %s: %w", name, err)
	}
	return table, nil
}

func newUpstream(c *config.Upstream, t engine.Timeouts, read func(string) ([]byte, error)) (*engine.Upstream, error) {
	u := &engine.Upstream{ID: c.ID, Name: c.Name, Kind: c.Kind, Region: c.Region, Project: c.Project, Weight: c.Weight,
		Priority: c.Priority, Labels: c.Labels, Models: c.Models, AllowOrigins: c.AllowOrigins, Timeouts: t,
		Concurrency: c.Concurrency, Queue: c.Queue, Breaker: c.Breaker, Account: accountOf(c)}
	var err error
	if u.BaseURL, err = url.Parse(c.BaseURL); err != nil {
		return u, errors.New("base_url cannot be parsed")
	}
	if c.CA == "" {
		return u, nil
	}
	pem, err := read(c.CA)
	if err != nil {
		return u, fmt.Errorf("ca: %w", err)
	}
	u.Roots = x509.NewCertPool()
	if !u.Roots.AppendCertsFromPEM(pem) {
		return u, fmt.Errorf("ca: %q holds no certificate, want PEM", c.CA)
	}
	return u, nil
}

// accountOf is a digest of where an upstream is and of the credential there.
func accountOf(u *config.Upstream) string {
	s := &u.Signer
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []string{u.ID.String(), u.BaseURL, u.Region, u.Project, s.Type, s.Key.Reveal(), s.Token.Reveal(),
		s.RefreshToken.Reveal(), s.AccessKey.Reveal(), s.Profile, s.CredentialsFile}))
	return hex.EncodeToString(sum[:8])
}

func (b *builder) newSigner(u *config.Upstream, read func(string) ([]byte, error)) (engine.SignerFactory, error) {
	switch c := &u.Signer; c.Type {
	case config.SignerAnthropicKey:
		return signers.AnthropicKey(c.Key.Reveal())
	case config.SignerAnthropicOAuth:
		return b.accounts.AnthropicOAuth(signers.OAuth{Upstream: u.ID, Name: u.Name, ClientID: c.ClientID, TokenURL: c.TokenURL,
			AccessToken: c.AccessToken.Reveal(), RefreshToken: c.RefreshToken.Reveal()})
	case config.SignerAWSSigV4:
		return b.accounts.AWSSigV4(signers.AWS{Upstream: u.ID, Name: u.Name, Service: c.Service, Region: u.Region, Profile: c.Profile,
			AccessKey: c.AccessKey.Reveal(), SecretKey: c.SecretKey.Reveal(), SessionToken: c.SessionToken.Reveal(),
			BearerToken: os.Getenv("AWS_BEARER_TOKEN_BEDROCK")})
	case config.SignerBearer:
		return signers.Bearer(c.Token.Reveal())
	case config.SignerForward:
		return signers.Forward(), nil
	case config.SignerGCPOAuth:
		if c.CredentialsFile == "" {
			return b.accounts.GCPOAuth(u.ID, u.Name, nil)
		}
		file, err := read(c.CredentialsFile)
		if err != nil {
			return nil, fmt.Errorf("credentials_file: %w", err)
		}
		if len(file) == 0 { // which to the signer is none
			return nil, fmt.Errorf("credentials_file %q: it is empty", c.CredentialsFile)
		}
		factory, err := b.accounts.GCPOAuth(u.ID, u.Name, file)
		if err != nil {
			return nil, fmt.Errorf("credentials_file %q: %w", c.CredentialsFile, err)
		}
		return factory, nil
	}
	return nil, fmt.Errorf("signer %q is unknown", u.Signer.Type)
}

func certificate(c *config.TLS, read func(string) ([]byte, error)) (*tls.Certificate, error) {
	cert, err := read(c.Cert)
	if err != nil {
		return nil, fmt.Errorf("tls.cert: %w", err)
	}
	key, err := read(c.Key)
	if err != nil {
		return nil, fmt.Errorf("tls.key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	return &pair, nil
}

// principals makes the principals of a config.
func principals(p *plan) []*engine.Principal {
	ids := make(map[string]uuid.UUID, len(p.upstreams))
	for _, u := range p.upstreams {
		ids[u.Name] = u.ID
	}
	out := make([]*engine.Principal, len(p.cfg.Principals))
	for i := range p.cfg.Principals {
		c := &p.cfg.Principals[i]
		out[i] = &engine.Principal{ID: c.Name, Name: c.Name, Kind: engine.PrincipalAPIKey, Claims: c.Claims, Disabled: c.Disabled,
			Models: c.Models, Paths: c.Paths, OwnFilters: c.OwnFilters, SharedObjects: c.SharedObjects}
		if c.Upstreams != nil {
			out[i].Upstreams = make(map[uuid.UUID]bool, len(c.Upstreams))
			for _, name := range c.Upstreams {
				out[i].Upstreams[ids[name]] = true
			}
		}
	}
	return out
}
