package config

import (
	"errors"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.yaml.in/yaml/v3"

	"sluice/engine"
)

const anthropicURL = "https://api.anthropic.com"

func (d *decoder) upstream(u *Upstream) decode {
	return func(n *yaml.Node) {
		*u = Upstream{Pos: posOf(n), Weight: 1, Labels: &engine.Object{}, Breaker: DefaultBreaker(), Queue: DefaultQueue()}
		got := d.object(n,
			req("name", value(d, &u.Name, ParseName)),
			opt("id", value(d, &u.ID, parseID)),
			req("kind", enum(d, &u.Kind, engine.KindAnthropicDirect, engine.KindBedrockRuntime, engine.KindBedrockMantle,
				engine.KindVertex, engine.KindCustom)),
			opt("base_url", hidden(d, &u.BaseURL, parseBaseURL)),
			opt("region", value(d, &u.Region, parseText)),
			opt("project", value(d, &u.Project, parseText)),
			req("signer", d.signer(&u.Signer)),
			opt("dialect", d.dialect(u)),
			opt("labels", d.free(&u.Labels)),
			opt("weight", value(d, &u.Weight, parseWhole(0, 1_000_000))),
			opt("priority", value(d, &u.Priority, parseWhole(-1_000_000, 1_000_000))),
			opt("concurrency", value(d, &u.Concurrency, parseWhole(1, 1_000_000))),
			opt("queue", d.queue(&u.Queue)),
			opt("breaker", d.breaker(&u.Breaker)),
			opt("models", d.models(&u.Models)),
			opt("allow_origins", list(d, &u.AllowOrigins, func(s *string) decode { return hidden(d, s, parseOrigin) })),
			opt("ca", value(d, &u.CA, parseFile)),
			opt("insecure", value(d, &u.Insecure, parseBool)),
		)
		if got == nil {
			return
		}
		d.identity(u, got)
		d.place(u, n, got)
		d.origins(u, got)
		d.signs(u, n, got)
	}
}

// DefaultBreaker is the breaker of an upstream where the file says nothing.
func DefaultBreaker() engine.Breaker {
	return engine.Breaker{Failures: 5, Within: 10 * time.Second, Open: 30 * time.Second}
}

// DefaultQueue is the queue of an upstream where the file says nothing: long enough for the rest that a burst of requests earns.
func DefaultQueue() engine.Queue { return engine.Queue{Max: 100, Wait: 2 * time.Second} }

func (d *decoder) queue(q *engine.Queue) decode {
	return func(n *yaml.Node) {
		*q = engine.Queue{Max: 100, Wait: 5 * time.Second}
		d.object(n,
			opt("max", value(d, &q.Max, parseWhole(0, 1_000_000))),
			opt("wait", value(d, &q.Wait, parseSomeTime)),
		)
	}
}

func (d *decoder) breaker(b *engine.Breaker) decode {
	return func(n *yaml.Node) {
		d.object(n,
			opt("failures", value(d, &b.Failures, parseWhole(1, 1000))),
			opt("within", value(d, &b.Within, parseSomeTime)),
			opt("open", value(d, &b.Open, parseSomeTime)),
		)
	}
}

// identity fills the id and makes sure that neither it nor the name is taken.
func (d *decoder) identity(u *Upstream, got map[string]*yaml.Node) {
	d.uniqueName(&d.upstreams, got["name"], u.Name, "upstream")
	at := got["id"]
	if at == nil {
		at, u.ID = got["name"], engine.UpstreamID(u.Name)
	}
	if u.Name != "" && d.upstreams[u.Name] == got["name"] && u.ID != uuid.Nil {
		d.uniqueName(&d.ids, at, u.ID.String(), "upstream id")
	}
}

// origins refuses plain HTTP that leaves the machine unless it was asked for.
func (d *decoder) origins(u *Upstream, got map[string]*yaml.Node) {
	if u.Insecure {
		return
	}
	const plain = `%s: plain http beyond loopback, want https or "insecure: true"`
	if isPlain(u.BaseURL) {
		d.fail(got["base_url"], plain, "base_url")
	}
	for i, origin := range u.AllowOrigins {
		if isPlain(origin) {
			d.fail(got["allow_origins"].Content[i], plain, "allow_origins")
		}
	}
}

func isPlain(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Scheme == "http" && !isLoopback(u.Hostname())
}

func parseID(s string) (uuid.UUID, error) {
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 || id == uuid.Nil {
		return uuid.Nil, errors.New("want a UUID such as 6ba7b811-9dad-11d1-80b4-00c04fd430c8")
	}
	return id, nil
}

// parseBaseURL returns an absolute URL without a slash at its end. Its errors name the part that is wrong and nothing of the text,
// since user info and query may be credentials.
func parseBaseURL(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || strings.ContainsAny(s, "\\ "):
		return "", errors.New("want an absolute URL such as " + anthropicURL)
	case u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("want a URL with https or http")
	case u.User != nil:
		return "", errors.New("want a URL without user info: credentials go into signer")
	case u.RawQuery != "" || u.ForceQuery:
		return "", errors.New("want a URL without a query")
	case strings.Contains(s, "#"):
		return "", errors.New("want a URL without a fragment")
	case !isPort(u):
		return "", errors.New("want a URL with a port from 1 to 65535, or none")
	}
	trimmed := strings.TrimSuffix(u.EscapedPath(), "/")
	if trimmed != "" && path.Clean(trimmed) != trimmed {
		return "", errors.New(`want a URL whose path has no "//", "." or ".."`)
	}
	host := strings.TrimSuffix(u.Host, map[string]string{"http": ":80", "https": ":443"}[u.Scheme]) // as Host says it, and as AWS signs it
	return u.Scheme + "://" + host + trimmed, nil
}

func isPort(u *url.URL) bool {
	if strings.HasSuffix(u.Host, ":") {
		return false
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return u.Port() == "" || err == nil && port > 0
}

// parseOrigin is parseBaseURL for a URL without a path.
func parseOrigin(s string) (string, error) {
	origin, err := parseBaseURL(s)
	if err == nil && strings.Count(origin, "/") > 2 {
		err = errors.New("want an origin without a path, such as " + anthropicURL)
	}
	return origin, err
}

// models reads the map of asked models to this upstream's own.
func (d *decoder) models(into *map[string]string) decode {
	return func(n *yaml.Node) {
		*into = map[string]string{}
		d.pairs(n, func(key, own *yaml.Node) {
			var model string
			value(d, &model, parseText)(own)
			(*into)[key.Value] = model
		})
	}
}

// dialect reads PATH, none, or a binding.
func (d *decoder) dialect(u *Upstream) decode {
	return func(n *yaml.Node) {
		u.Dialect = &Binding{}
		if n.Kind != yaml.ScalarNode {
			d.binding(u.Dialect, "dialect", nil)(n)
			return
		}
		switch text, ok := d.text(n); {
		case text == "none":
			u.Dialect, u.NoDialect = nil, true
		case ok:
			d.bindPath(u.Dialect, n)
		}
	}
}
