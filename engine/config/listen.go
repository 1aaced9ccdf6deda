package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)

// parseListen reads HOST:PORT and returns it in one spelling. An empty host is all interfaces, port 0 any free port.
func parseListen(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	number, portErr := strconv.ParseUint(port, 10, 16)
	_, ipErr := netip.ParseAddr(host)
	if err != nil || portErr != nil || host != "" && ipErr != nil && !hostPattern.MatchString(host) {
		return "", errors.New("want HOST:PORT such as 127.0.0.1:8787 or [::1]:8787")
	}
	return net.JoinHostPort(host, strconv.FormatUint(number, 10)), nil
}

// WithListeners returns a copy of c that listens elsewhere, with the same checks as Parse. An empty address keeps the one of c.
func (c *Config) WithListeners(listen, admin string) (*Config, error) {
	moved := *c
	for _, addr := range []struct {
		flag string
		to   *string
	}{{listen, &moved.Listen}, {admin, &moved.Admin.Listen}} {
		if addr.flag == "" {
			continue
		}
		parsed, err := parseListen(addr.flag)
		if err != nil {
			return nil, fmt.Errorf("listen on %q: %w", addr.flag, err)
		}
		*addr.to = parsed
	}
	if problems := moved.listenProblems(); len(problems) > 0 {
		return nil, errors.New(problems[0])
	}
	return &moved, nil
}

// AdminListen is where a config file has the admin API listen. Nothing else of it is read: that may be wrong, or name variables which are
// set for the gateway alone.
func AdminListen(name string, data []byte, env Env) (string, error) {
	d := &decoder{file: name, env: env, cfg: defaults(), key: "listen", contents: map[string]string{}}
	listen := value(d, &d.cfg.Admin.Listen, parseListen)
	err := d.one(data, "admin", func(n *yaml.Node) { d.pairs(n, only("listen", listen)) })
	return d.cfg.Admin.Listen, err
}

// ScriptsRoot is the folder of scripts that a config file names. Nothing else of it is read.
func ScriptsRoot(name string, data []byte, env Env) (string, error) {
	d := &decoder{file: name, env: env, cfg: defaults(), key: "scripts", contents: map[string]string{}}
	err := d.one(data, "scripts", value(d, &d.cfg.Scripts, parseText))
	return d.cfg.Scripts, err
}

// one reads one key of the file.
func (d *decoder) one(data []byte, key string, to decode) error {
	if root := d.document(data); root != nil {
		d.pairs(root, only(key, to))
	}
	if len(d.problems) > 0 {
		return d.problems
	}
	return nil
}

// only decodes the value of one key of a mapping.
func only(name string, to decode) func(key, value *yaml.Node) {
	return func(key, value *yaml.Node) {
		if key.Value == name {
			to(value)
		}
	}
}

func (d *decoder) checkListeners(root *yaml.Node, got map[string]*yaml.Node) {
	at := cmp.Or(got["admin"], got["listen"], root)
	for _, problem := range d.cfg.listenProblems() {
		d.fail(at, "%s", problem)
	}
}

func (c *Config) listenProblems() (problems []string) {
	_, port, _ := net.SplitHostPort(c.Listen)
	adminHost, adminPort, _ := net.SplitHostPort(c.Admin.Listen)
	if port == adminPort && port != "0" {
		problems = append(problems, "listen and admin.listen have the same port, want two")
	}
	if !isLoopback(adminHost) && c.Admin.Token.Reveal() == "" {
		problems = append(problems, "admin listens beyond loopback without a token, want admin.token or a loopback address")
	}
	return problems
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}
