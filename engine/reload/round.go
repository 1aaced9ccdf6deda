package reload

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"sluice/engine"
)

// round tries what is on disk. If that cannot serve, it tries the newest scripts under the config that does, so that one broken file
// stops no other. With retry it builds in any case, and repeats what failed.
func (l *Loop) round(retry bool) Outcome {
	again := !retry && l.served != nil && !l.stale() // only what found no memory, or was put off, is tried again
	read, err := l.attempt(nil, retry)
	if l.closing() {
		return Outcome{Err: errClosed}
	}
	if err != nil && l.served != nil { // at the start there is nothing to fall back to, and the error goes to the caller
		config := source{path: l.config}
		if !l.told(err) || l.tried[config] != read[config] {
			l.news = append(l.news, News{State: Refused, Path: cmp.Or(l.options.Config, "the config"), Err: err})
		}
		l.fallBack(retry)
	}
	l.tried, l.refused = read, err
	for k := range l.served {
		l.tried[k] = l.disk.sum(k)
	}
	l.disk.keep(l.tried, l.served)
	l.save()
	standing := l.standing()
	if !again || len(l.news) > 0 {
		l.count(standing == nil)
	}
	return Outcome{l.counts.Load().generation, l.tell(), standing}
}

// told reports whether the log has a refusal: that of a build that goes on where another left off is told where it begins otherwise.
func (l *Loop) told(err error) bool {
	return l.refused != nil && (l.refused.Error() == err.Error() || isPutOff(l.refused) && oneLine(l.refused) == oneLine(err))
}

// attempt builds, and publishes what is not as what serves. Files in pins read as they did before. It returns what the build read. Once the
// loop is closed nothing is built or published any more.
func (l *Loop) attempt(pins map[string]*file, retry bool) (basis, error) {
	for !l.closing() {
		in := &Input{Number: l.next(), Scripts: l.scripts.Begin(retry), disk: l.disk, pins: pins, read: basis{}, kept: map[string]*file{}}
		g, err := in.build(l.options.Config, l.options.Build)
		if err != nil {
			if pins == nil {
				in.Scripts.Keep()
			}
			return in.read, err
		}
		if !retry && l.repeats(in) {
			g.Discard()
			return in.read, nil
		}
		if !l.closing() && l.options.World.Publish(g) {
			l.published(in)
			return in.read, nil
		}
		g.Discard() // the loop is closed, or a newer one was published meanwhile: this one is built on what was
	}
	return nil, errClosed
}

// repeats reports whether a build is as the one that serves: what had found no memory has found none again.
func (l *Loop) repeats(in *Input) bool {
	return l.served != nil && !l.mended(in) && maps.Equal(in.read, l.served) && len(in.Scripts.News()) == 0
}

// mended reports whether a build is the first since what is on disk was refused.
func (l *Loop) mended(in *Input) bool { return l.refused != nil && in.pins == nil }

// next is the number above the one that serves.
func (l *Loop) next() uint64 {
	g := l.options.World.Lease()
	if g == nil {
		return 1
	}
	defer g.Release()
	return g.Number + 1
}

func (l *Loop) published(in *Input) {
	l.news = append(l.news, in.Scripts.News()...)
	in.Scripts.Commit()
	if in.pins == nil {
		l.scripts.tried.Store(nil)
	}
	for _, name := range slices.Sorted(maps.Keys(in.kept)) {
		f := l.good[name]
		if f != nil && (name == l.config && l.mended(in) || f.sum != in.kept[name].sum) {
			l.news = append(l.news, News{State: Live, Path: l.given(name)})
		}
	}
	l.served, l.good = in.read, in.kept
	c := *l.counts.Load()
	c.generation, c.since = in.Number, time.Now()
	l.counts.Store(&c)
}

// given is the path of a file as people know it.
func (l *Loop) given(name string) string {
	if name == l.config {
		return l.options.Config
	}
	return name
}

// build runs b. A panic in it is an error: what serves must go on serving.
func (in *Input) build(config string, b Build) (g *engine.Generation, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("build: panic: %v\n%s", p, debug.Stack())
		}
	}()
	if config != "" {
		if in.Config, err = in.ReadFile(config); err != nil {
			return nil, fmt.Errorf("read the config: %w", err)
		}
	}
	if g, err = b(in); err == nil && g.Number != in.Number {
		return nil, fmt.Errorf("build: generation %d, want %d", g.Number, in.Number)
	}
	return g, err
}

// fallBack tries the scripts on disk with the last good config, then with all its files as they were, too.
func (l *Loop) fallBack(retry bool) {
	for _, pins := range []map[string]*file{{l.config: l.good[l.config]}, l.good} {
		if !l.pinned(pins) {
			continue
		}
		if !retry && l.serves(pins) && !l.scripts.again() {
			return
		}
		if _, err := l.attempt(pins, retry); err == nil {
			return
		}
	}
}

// pinned reports whether pins read differently from what is on disk.
func (l *Loop) pinned(pins map[string]*file) bool {
	for name, f := range pins {
		if f != nil && f.sum != l.disk.sum(source{path: name}) {
			return true
		}
	}
	return false
}

// serves reports whether a build with pins would be the one that serves.
func (l *Loop) serves(pins map[string]*file) bool {
	for k, sum := range l.served {
		now := l.disk.sum(k)
		if f := pins[k.path]; f != nil && !k.tree {
			now = f.sum
		}
		if now != sum {
			return false
		}
	}
	return true
}

func (l *Loop) save() {
	if l.options.Data != nil && l.served != nil {
		l.trouble("save", l.options.Data.SaveScripts(l.scripts))
	}
}

// standing joins all that is on disk and does not serve. What breaks several scripts is in it once.
func (l *Loop) standing() error {
	all := []error{l.refused, l.disk.trouble}
	seen := map[string]bool{}
	for _, s := range l.scripts.Status() {
		for _, err := range s.Errors {
			if !seen[err.Error()] {
				all = append(all, err)
			}
			seen[err.Error()] = true
		}
	}
	return errors.Join(all...)
}

func (l *Loop) count(ok bool) {
	c := *l.counts.Load()
	c.refused = l.refused
	if ok {
		c.ok++
		c.lastOK = time.Now()
	} else {
		c.failed++
	}
	l.counts.Store(&c)
}
