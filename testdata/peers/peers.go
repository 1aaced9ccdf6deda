package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
	"time"
)

//go:embed policy
var policies embed.FS

// peer is one of those that are compared.
type peer struct {
	name string
	addr string
	run  *exec.Cmd // nil: the upstream itself
}

const (
	direct = "direct"
	rival  = "nginx + LuaJIT"
)

// names are the peers in the order of the table; the last three are Sluice without a script and with one in either language.
var names = []string{direct, "nginx", rival, "HAProxy + Lua", "Sluice", "Sluice + Starlark", "Sluice + Lua"}

// scripts are the endings of Sluice's policies.
var scripts = map[string]string{"Sluice": "", "Sluice + Starlark": "star", "Sluice + Lua": "lua"}

type principal struct{ Name, Key, Hash, Tier string }

type candidate struct {
	Name, Tier, Family string
	Priority           int
}

// world is what the templates of the policies see.
type world struct {
	Debian, Dir, Upstream string
	Root                  bool
	Principals            []principal
	Candidates            []candidate
	addrs                 map[string]string

	Name, Script string // of a Sluice
}

// Addr is where a peer listens.
func (w *world) Addr(name string) string { return w.addrs[name] }

func newWorld(root debian, dir string) (*world, error) {
	w := &world{Debian: string(root), Dir: dir, Root: os.Getuid() == 0, addrs: make(map[string]string)}
	for i, tier := range []string{"gold", "silver", "gold", "bronze", "gold", "silver", "gold", "bronze", "gold", "gold"} {
		family := []string{"claude-sonnet", "claude-opus"}[i/2%2]
		w.Candidates = append(w.Candidates, candidate{fmt.Sprintf("c%d", i), tier, family, i})
		name := fmt.Sprintf("p%d", i)
		key := "sk-sluice-" + name
		sum := sha256.Sum256([]byte(key))
		w.Principals = append(w.Principals, principal{name, key, hex.EncodeToString(sum[:]), tier})
	}
	for _, name := range names {
		ln, err := net.Listen("tcp", "127.0.0.1:0") // a free port, which nobody takes in the moment until it is used
		if err != nil {
			return nil, err
		}
		w.addrs[name] = ln.Addr().String()
		ln.Close()
	}
	w.Upstream = w.addrs[direct]
	return w, nil
}

// write fills in one of the templates.
func (w *world) write(name, to string) (string, error) {
	t, err := template.ParseFS(policies, "policy/"+name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(w.Dir, to)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return path, t.Execute(f, w)
}

// start starts the upstream and all peers. What was started is returned along with an error.
func (w *world) start(root debian, sluice string) (peers []*peer, err error) {
	for _, name := range []string{"policy.nginx.lua", "policy.haproxy.lua", "filters/policy.star", "filters/policy.lua"} {
		if _, err := w.write(name, name); err != nil {
			return nil, err
		}
	}
	simulator := exec.Command(sluice, "simulate", "--listen", w.Upstream, "--words", "194")
	simulator.Env = append(os.Environ(), "GOGC=400", "GOMEMLIMIT=512MiB") // it hardly collects: that is no part of what is compared
	add := func(name string, c *exec.Cmd) error {
		p := &peer{name, w.addrs[name], c}
		peers = append(peers, p)
		return p.start()
	}
	if err := add(direct, simulator); err != nil {
		return peers, err
	}
	conf, err := w.write("nginx.conf", "nginx.conf")
	if err != nil {
		return peers, err
	}
	nginx := root.command(context.Background(), "usr/sbin/nginx", "-p", w.Dir, "-c", conf, "-g", "daemon off;")
	if err := add("nginx", nginx); err != nil {
		return peers, err
	}
	peers = append(peers, &peer{rival, w.addrs[rival], nginx})
	if conf, err = w.write("haproxy.cfg", "haproxy.cfg"); err != nil {
		return peers, err
	}
	if err := add("HAProxy + Lua", root.command(context.Background(), "usr/sbin/haproxy", "-q", "-db", "-f", conf)); err != nil {
		return peers, err
	}
	for _, name := range names {
		script, is := scripts[name]
		if !is {
			continue
		}
		w.Name, w.Script = name, script
		if conf, err = w.write("sluice.yaml", "sluice-"+w.Script+".yaml"); err != nil {
			return peers, err
		}
		if err := add(name, exec.Command(sluice, "serve", "--config", conf)); err != nil {
			return peers, err
		}
	}
	return peers, nil
}

// start starts a peer and waits until it listens.
func (p *peer) start() error {
	p.run.Stderr = os.Stderr
	if err := p.run.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	for range 100 {
		if c, err := net.Dial("tcp", p.addr); err == nil {
			return c.Close()
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("%s does not listen on %s after 10 s", p.name, p.addr)
}

// stop ends those that were started.
func stop(peers []*peer) {
	for _, p := range peers {
		if p.run.Process != nil && p.run.ProcessState == nil {
			_ = p.run.Process.Signal(os.Interrupt)
			late := time.AfterFunc(10*time.Second, func() { _ = p.run.Process.Kill() })
			_ = p.run.Wait()
			late.Stop()
		}
	}
}
