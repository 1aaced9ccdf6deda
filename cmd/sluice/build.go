package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"sluice/engine"
	"sluice/engine/affinity"
	"sluice/engine/config"
	"sluice/engine/experiment"
	"sluice/engine/health"
	"sluice/engine/ledger"
	"sluice/engine/limits"
	"sluice/engine/reload"
	"sluice/engine/signers"
	"sluice/proxy/admin"
	"sluice/runtimes"
	"sluice/runtimes/lua"
	"sluice/runtimes/starlark"
)

// builder turns config and scripts into generations: the one place where parts are wired together. It is used by one goroutine.
type builder struct {
	name      string // of the config in errors
	dir       string // what its relative paths are relative to
	text      []byte // the config where there is no file
	scripts   string // in place of the config's scripts, "" = the config's
	listen    string // in place of the config's listeners, "" = the config's
	admin     string
	fixed     *config.Config // at the start: some of it cannot change without a restart; nil = all may
	languages map[string]runtimes.Language
	accounts  *signers.Accounts
	meters    *engine.Meters
	spending  *limits.Book
	ledger    *ledger.Book // nil = nothing was spent before
	homes     *affinity.Homes
	standings *engine.Standings
	crew      *engine.Crew
	observing observing
	memory    *runtimes.Pool // what the calls of both languages share
	trials    *experiment.Book
	lab       *experiment.Lab // nil = no shadow runs
	vitals    engine.VitalsSource
	rests     *health.Tracker // who is told of cool-downs of an earlier run, until it was; nil = nobody
	objects   engine.Bindings // nil = none are known
	log       func(file string, line int, message string)
	warn      func(error)          // what works, and not as one might expect; nil drops it
	amend     func(*config.Config) // what is built in place of the config; nil = what it says

	parsed  *plan                  // of the last config that parsed
	serving *plan                  // of the last generation
	passed  map[testedVersion]bool // tests of versions, beside those of the last generation
	// Of the last generation; may be read by any goroutine.
	access    atomic.Pointer[admin.Access]
	retention atomic.Pointer[ledger.Policy]
}

func newBuilder(name string) *builder {
	star, lua, memory := starlark.New(), lua.New(), new(runtimes.Pool)
	star.Memory, lua.Memory = memory, memory
	meters := &engine.Meters{}
	return &builder{
		name: name, dir: filepath.Dir(name), meters: meters, trials: experiment.Open(nil, meters, nil), spending: limits.NewBook(time.Now()), homes: affinity.NewHomes(),
		standings: &engine.Standings{}, crew: engine.NewCrew(), memory: memory, accounts: signers.NewAccounts(signers.Options{}),
		languages: map[string]runtimes.Language{".star": star, ".lua": lua},
	}
}

// build makes a generation. An error holds every problem that was found.
func (b *builder) build(in *reload.Input) (*engine.Generation, error) {
	p, err := b.read(in)
	if err != nil {
		return nil, err
	}
	snapshot, err := in.Snapshot(b.scriptsDir(p.cfg))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, b.noScripts(p.cfg)
	}
	if err != nil {
		return nil, err
	}
	before := b.memory.Limit()
	b.memory.PlanLimit(p.cfg.TotalMemory) // the scripts of this generation are held to it as well
	g, err := b.assemble(in, p, snapshot)
	if err != nil {
		b.memory.SetLimit(before)
		return nil, err
	}
	b.serving = p
	b.memory.SetLimit(p.cfg.TotalMemory)
	b.accounts.Adopt(p.cfg.DataKey.Reveal(), maps.Values(p.signers))
	b.access.Store(&admin.Access{Token: p.cfg.Admin.Token.Reveal(), OpenMetrics: p.cfg.Admin.OpenMetrics})
	b.retention.Store(retentionOf(p.cfg))
	return g, nil
}

// assemble makes the generation of a plan and of the scripts in a snapshot.
func (b *builder) assemble(in *reload.Input, p *plan, snapshot *reload.Snapshot) (*engine.Generation, error) {
	s := &scripting{builder: b, plan: p, snapshot: snapshot, tx: in.Scripts}
	if err := s.resolve(); err != nil {
		return nil, err
	}
	g, err := s.generation(in.Number)
	if err == nil {
		err = b.remember(g)
	}
	if err != nil {
		b.spending.Abandon()
		return nil, err
	}
	b.trials.Adopt(s.lives)
	return g, nil
}

// noScripts says that the scripts root is not there, and where the config names it unless it came otherwise.
func (b *builder) noScripts(cfg *config.Config) error {
	err := fmt.Errorf("there is no folder %q, the root of the scripts", b.scriptsDir(cfg))
	if b.scripts != "" || b.text != nil {
		return err
	}
	return config.Error{File: b.name, Pos: orTop(cfg.ScriptsPos), Message: err.Error() + ", want one, such as a copy of " + writtenOut}
}

// orTop is the place of a setting, or the top of the file where it says nothing of it.
func orTop(p config.Pos) config.Pos {
	if p == (config.Pos{}) {
		return config.Pos{Line: 1, Column: 1}
	}
	return p
}

func (b *builder) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(b.dir, name)
}

// env is the process's environment, and the files beside the config.
func (b *builder) env() config.Env {
	return config.Env{Var: os.LookupEnv, Vars: os.Environ, File: func(name string) ([]byte, error) { return os.ReadFile(b.path(name)) }}
}

func (b *builder) scriptsDir(cfg *config.Config) string {
	if b.scripts != "" {
		return b.scripts
	}
	return b.path(cfg.Scripts)
}
