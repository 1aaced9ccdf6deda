package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"sluice/engine"
	"sluice/engine/bindings"
	"sluice/engine/config"
	"sluice/engine/experiment"
	"sluice/engine/health"
	"sluice/engine/ledger"
	"sluice/engine/promptcache"
	"sluice/engine/reload"
	"sluice/engine/signers"
	"sluice/proxy"
	"sluice/proxy/admin"
	"sluice/runtimes"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "run the gateway; without a config: a demo with simulated upstreams",
		UsageText: usage("sluice serve [--config FILE] [--listen ADDR] [--admin ADDR] [--scripts DIR]",
			"sluice serve", "sluice serve --config sluice.yaml --listen 0.0.0.0:8787"),
		Flags: []cli.Flag{
			textFlag("config", "config `FILE`; without: the demo"),
			textFlag("listen", "`ADDR` for clients, in place of the config's"),
			textFlag("admin", "`ADDR` for the admin API, in place of the config's"),
			scriptsFlag(),
		},
		Action: serve,
	}
}

// gateway is everything that runs while the gateway serves.
type gateway struct {
	out      *console
	cfg      *config.Config
	demo     *demo // nil unless there is no config
	world    *engine.World
	data     *reload.Data
	accounts *signers.Accounts
	book     *ledger.Book
	bound    *bindings.Log
	loop     *reload.Loop
	crew     *engine.Crew
	observed *observing
	pools    *proxy.Transport
	lab      *experiment.Lab
	proxy    *proxy.Server
	admin    *admin.Server
	listen   [2]net.Listener // for clients, for the admin
	hup      chan os.Signal  // each is a wish to look at the disk
	ballast  []byte          // ballastSize of it
}

// ballastSize is memory that is reserved and never touched, in bytes: it is in no page, but the garbage collector, which runs when the
// heap has doubled, takes it for half of a heap. Without it a gateway that keeps next to nothing collects after every few megabytes.
// What it costs is that much garbage.
const ballastSize = 32 << 20

func serve(_ context.Context, c *cli.Command) error {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // else the end of whoever reads its log would be its own
	g := &gateway{out: newConsole(c.Root().Writer, c.Root().ErrWriter), world: &engine.World{}, hup: make(chan os.Signal, 1),
		ballast: make([]byte, ballastSize)}
	signal.Notify(g.hup, syscall.SIGHUP) // now: before it is ready one must not be its end
	defer g.close()
	b, err := g.source(c)
	if err != nil {
		return err
	}
	if err := g.start(b); err != nil {
		return err
	}
	return g.run(untilSignal())
}

// source says where the config comes from: a file, or the demo.
func (g *gateway) source(c *cli.Command) (*builder, error) {
	b := newBuilder(c.String("config"))
	b.scripts, b.listen, b.admin = c.String("scripts"), c.String("listen"), c.String("admin")
	if b.name == "" {
		var err error
		if g.demo, err = newDemo(b.scripts); err != nil {
			return nil, err
		}
		b.name, b.dir, b.text, b.scripts = "demo", ".", g.demo.text, ""
	} else if _, err := configPath(c); err != nil {
		return nil, err
	}
	var err error
	g.cfg, err = readConfig(b)
	return b, err
}

// start brings everything up, listeners last, so that a failure has served nobody.
func (g *gateway) start(b *builder) error {
	var err error
	if g.data, err = reload.OpenData(b.path(g.cfg.Data)); err != nil {
		return err
	}
	g.pools = proxy.NewTransport(256, 90*time.Second)
	tracker := health.NewTracker(g.out.logf)
	g.accounts = signers.NewAccounts(signers.Options{Shelf: g.data, Roots: proxy.BundledRoots, Warn: func(s string) { g.out.logf("%s", s) }})
	b.accounts, b.vitals, b.rests, b.log, b.fixed, b.meters.Log = g.accounts, tracker, tracker, g.out.script, g.cfg, g.out.failure
	b.memory.Log = func(line string) { g.out.logf("%s", line) }
	b.standings.Log, b.warn = g.out.aside, func(err error) { g.out.logf("%v", err) }
	g.crew, g.observed, g.lab = b.crew, &b.observing, experiment.NewLab()
	b.lab, b.trials = g.lab, experiment.Open(g.data, b.meters, g.out.logf)
	b.retention.Store(retentionOf(g.cfg))
	g.book, err = ledger.Open(ledger.Options{Dir: ledgerDir(b, g.cfg), Policy: func() ledger.Policy { return *b.retention.Load() }, Report: g.out.logf})
	if err != nil {
		return err
	}
	b.ledger = g.book
	if g.bound, err = bindings.Open(filepath.Join(b.path(g.cfg.Data), "bindings.jsonl")); err != nil {
		return err
	}
	b.objects = g.bound
	configFile := b.name
	if g.demo != nil {
		configFile = ""
	}
	g.loop, err = reload.Start(reload.Options{World: g.world, Config: configFile, Build: b.build, Data: g.data, Report: g.out.report})
	if err != nil {
		return err
	}
	caches := promptcache.New()
	g.proxy = proxy.New(proxy.Options{World: g.world, Transport: g.pools, Ledger: g.book, LedgerFull: g.book.Full, Caches: caches,
		Unlimited:    func(r *engine.Record) { b.spending.Late(pastOf(r)) },
		LoopbackOnly: g.demoLocal(), TLS: g.tls(), Logf: g.out.logf})
	g.admin = admin.New(admin.Options{World: g.world, Vitals: tracker, Meters: b.meters, Standings: b.standings, Book: g.book, Experiments: b.trials,
		Traffic: &g.proxy.Metrics, Caches: caches, Loop: g.loop, Access: b.access.Load, Draining: g.proxy.Draining,
		Memory: func() (held, waiting int64) { return b.memory.Used(), b.memory.Waiting() }})
	b.crew.Heap.Store(&engine.HeapWatch{Explained: func() (now, most int64) { return accounted(b.memory, &g.proxy.Metrics) },
		Holds: func(script string) int64 { return b.memory.Holds(strings.TrimSuffix(script, shadowed)) },
		Log:   func(line string) { g.out.logf("%s", line) }})
	return g.listenAll()
}

// accounted is how many bytes scripts and bodies may hold at this moment, and the most since it was asked before. What began under a higher
// limit keeps what it holds; a limit may be so large that nothing is to be added to it.
func accounted(scripts *runtimes.Pool, traffic *proxy.Metrics) (now, most int64) {
	may := min(max(scripts.Limit(), scripts.Used()), math.MaxInt64/2)
	return may + traffic.BodyBytes(), may + traffic.MostBodyBytes()
}

// ledgerDir is where the rows of requests are.
func ledgerDir(b *builder, cfg *config.Config) string {
	return filepath.Join(b.path(cfg.Data), "ledger")
}

func retentionOf(cfg *config.Config) *ledger.Policy {
	return &ledger.Policy{Keep: cfg.Ledger.Keep, MaxSize: cfg.Ledger.MaxSize, Refuse: cfg.Ledger.Refuse}
}

// demoLocal reports whether the clients' listener is the demo's on loopback, whose key everybody knows: no web page may use it.
func (g *gateway) demoLocal() bool {
	return g.demo != nil && g.demo.key == demoKey && loopback(g.cfg.Listen)
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip, bad := netip.ParseAddr(host)
	return err == nil && (host == "localhost" || bad == nil && ip.IsLoopback())
}

func (g *gateway) listenAll() error {
	var err error
	if g.listen[0], err = listen(g.cfg.Listen, "--listen"); err != nil {
		return err
	}
	g.listen[1], err = listen(g.cfg.Admin.Listen, "--admin")
	return err
}

// listen takes connections on addr. The error tells which flag would have it listen elsewhere.
func listen(addr, flag string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	var why syscall.Errno
	switch errors.As(err, &why); {
	case err == nil:
		return ln, nil
	case why == syscall.EADDRINUSE:
		return nil, fmt.Errorf("listen on %q: %w: stop what listens there, or give another %s", addr, why, flag)
	case why == syscall.EADDRNOTAVAIL:
		return nil, fmt.Errorf("listen on %q: %w: want an address of this machine for %s", addr, why, flag)
	}
	return nil, fmt.Errorf("%s: %w", flag, err)
}

// tls is nil for plain HTTP.
func (g *gateway) tls() *tls.Config {
	if g.cfg.TLS == nil {
		return nil
	}
	return &tls.Config{GetCertificate: g.certificate, MinVersion: tls.VersionTLS12}
}

// certificate is the current generation's.
func (g *gateway) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	current := g.world.Lease()
	if current == nil {
		return nil, errors.New("the gateway is closing")
	}
	defer current.Release()
	return current.Certificate, nil
}

// run serves until ctx ends, then drains.
func (g *gateway) run(ctx context.Context) error {
	ended := make(chan error, 2)
	go func() { ended <- g.proxy.Serve(g.listen[0]) }()
	go func() { ended <- g.admin.Serve(g.listen[1]) }()
	g.announce()
	for {
		select {
		case err := <-ended:
			return err
		case <-g.hup:
			g.reload(ctx)
		case <-ctx.Done():
			return g.drain()
		}
	}
}

// reload looks at the disk now. The loop reports what came of it; where nothing did, that is told too.
func (g *gateway) reload(ctx context.Context) {
	outcome, err := g.loop.Reload(ctx)
	switch {
	case err != nil:
		g.out.logf("reload: %v", err)
	case outcome.Err != nil && len(outcome.News) == 0:
		g.out.logf("reload: nothing changed, and not all that is on disk serves: %v", flatten(outcome.Err)[0])
	case len(outcome.News) == 0:
		g.out.logf("reload: nothing changed, all that is on disk serves")
	}
}

// announce prints one line a listener, what the demo has to say, and ready.
func (g *gateway) announce() {
	scheme := "http"
	if g.cfg.TLS != nil {
		scheme = "https"
	}
	url := scheme + "://" + reachable(g.listen[0].Addr().String())
	g.out.printf("gateway   %s\nadmin     http://%s\n", url, reachable(g.listen[1].Addr().String()))
	if g.demo != nil {
		g.out.printf("%s", g.demo.describe(url))
	}
	g.out.printf("ready\n")
}

// reachable is where a program on this machine finds what listens on addr: what does on all addresses is on loopback too, which no proxy
// stands before.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	ip, bad := netip.ParseAddr(host)
	if err == nil && (host == "" || bad == nil && ip.IsUnspecified()) {
		return "127.0.0.1:" + port
	}
	return addr
}

// drain lets open streams end.
func (g *gateway) drain() error {
	most := g.drainTimeout()
	limit, cancel := context.WithTimeout(context.Background(), most+10*time.Second)
	defer cancel()
	asked, stop := signal.NotifyContext(limit, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(asked, stop) // one more signal ends the process at once
	g.out.printf("draining, at most %v; a second signal ends it at once\n", most)
	err := g.proxy.Shutdown(asked)
	if err != nil {
		err = fmt.Errorf("the drain was cut short: %w", context.Cause(asked))
	}
	g.loop.Close() // first: the admin waits for who waits for a reload
	return errors.Join(err, g.admin.Close(limit))
}

func (g *gateway) drainTimeout() time.Duration {
	current := g.world.Lease()
	defer current.Release()
	return current.Timeouts.Drain
}

// close ends what start brought up, as far as it came.
func (g *gateway) close() {
	var closers []io.Closer
	if g.loop != nil {
		g.loop.Close()
	}
	g.world.Close()
	if g.observed != nil {
		g.observed.wait()
	}
	if g.lab != nil {
		g.lab.Close()
	}
	if g.crew != nil {
		g.crew.Close()
	}
	for _, ln := range g.listen {
		if ln != nil {
			closers = append(closers, ln)
		}
	}
	if g.pools != nil {
		g.pools.Close()
	}
	if g.book != nil {
		if err := g.book.Close(); err != nil {
			g.out.logf("%v", err)
		}
	}
	if g.bound != nil {
		if err := g.bound.Close(); err != nil {
			g.out.logf("%v", err)
		}
	}
	if g.accounts != nil {
		if err := g.accounts.Close(); err != nil { // before what it writes to
			g.out.logf("%v", err)
		}
	}
	if g.data != nil {
		closers = append(closers, g.data)
	}
	if g.demo != nil {
		closers = append(closers, g.demo)
	}
	for _, c := range closers {
		c.Close()
	}
	g.out.close() // after all that logs
}
