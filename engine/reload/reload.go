package reload

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"sluice/engine"
)

// Options say what to keep loaded.
type Options struct {
	World  *engine.World
	Config string // path of the config file, "" = none
	Build  Build
	// Report gets what a round changed, one call at a time, first within Start. It must not call the loop. Nil drops it.
	Report func(Report)
	Data   *Data         // where last good scripts are kept, nil = nowhere
	Poll   time.Duration // how often to look without an event, 0 = 5 s
	// PollOnly does without events of the file system.
	PollOnly bool
}

// Loop keeps a World in step with the files its generations are made from. Its methods may be called from many goroutines.
type Loop struct {
	options Options
	config  string // absolute, "" = none
	scripts *Scripts
	counts  atomic.Pointer[counts]
	asks    chan chan Outcome
	stop    func()
	stopped chan struct{} // somebody wants the loop to end
	ended   chan struct{} // it has

	// The rest belongs to the goroutine of run, and to Start before it.
	disk     *disk
	tried    basis            // of the last attempt at what is on disk
	served   basis            // of the generation that serves
	good     map[string]*file // the files of that
	refused  error            // why what is on disk cannot serve
	troubles map[string]string
	news     []News
	timing
}

// counts are replaced as a whole.
type counts struct {
	generation uint64
	since      time.Time
	ok, failed uint64
	lastOK     time.Time
	refused    error
}

// Start makes and publishes the first generation, then watches. An error is that of Build, whole; nothing is left running. The caller
// ends the loop with Close.
func Start(o Options) (*Loop, error) {
	if o.Poll <= 0 {
		o.Poll = 5 * time.Second
	}
	l := &Loop{options: o, asks: make(chan chan Outcome), stopped: make(chan struct{}), ended: make(chan struct{}),
		troubles: map[string]string{}}
	l.stop = sync.OnceFunc(func() { close(l.stopped) })
	l.counts.Store(&counts{})
	if err := l.open(); err != nil {
		return nil, err
	}
	outcome := l.round(false)
	if l.served == nil { // nothing was published
		l.disk.watch.close()
		return nil, outcome.Err
	}
	go l.run()
	return l, nil
}

// open gets ready for the first round.
func (l *Loop) open() (err error) {
	if l.options.Config != "" {
		if l.config, err = filepath.Abs(l.options.Config); err != nil {
			return err
		}
	}
	var stored map[string]*Snapshot
	if l.options.Data != nil {
		stored, err = l.options.Data.LoadScripts()
		l.trouble("load", err)
	}
	l.scripts = NewScripts(stored)
	w, err := newWatcher(l.options.PollOnly)
	if err != nil {
		l.trouble("watch", fmt.Errorf("watch for changes: %w; they are found every %v", err, l.options.Poll))
	}
	l.disk = newDisk(w)
	return nil
}

// Once makes a generation of what is on disk, for a look at it: nothing is published, watched or kept.
func Once(config string, build Build) (*engine.Generation, error) {
	w, _ := newWatcher(true)
	in := &Input{Number: 1, Scripts: NewScripts(nil).Begin(false), disk: newDisk(w), read: basis{}, kept: map[string]*file{}}
	return in.build(config, build)
}

// Outcome is what a forced round came to.
type Outcome struct {
	Generation uint64 // that serves
	News       []News // what the round changed
	Err        error  // all that is on disk and does not serve, and why; nil = everything serves
}

var errClosed = errors.New("reload: the loop is closed")

// Reload looks at the disk now and builds, even if nothing changed; scripts that failed are tried again. It returns when that is done.
// Calls at the same time share a round. A file that is being written is waited for, up to a second. An error means that there was no
// round: ctx ended or the loop did.
func (l *Loop) Reload(ctx context.Context) (Outcome, error) {
	answer := make(chan Outcome, 1)
	select {
	case l.asks <- answer:
	case <-ctx.Done():
		return Outcome{}, ctx.Err()
	case <-l.stopped:
		return Outcome{}, errClosed
	}
	select {
	case o := <-answer:
		return o, nil
	case <-ctx.Done():
		return Outcome{}, ctx.Err()
	case <-l.stopped:
		return Outcome{}, errClosed
	}
}

// Status is what the loop knows, for people to read.
type Status struct {
	Generation uint64
	Since      time.Time // when it was published
	Scripts    []ScriptStatus
	Refused    error  // why the config on disk, or what it names, is not in force; nil = it is
	OK         uint64 // rounds after which everything on disk served
	Failed     uint64 // rounds after which something on disk did not
	LastOK     time.Time
}

// Status is as of the last round.
func (l *Loop) Status() Status {
	c := l.counts.Load()
	return Status{c.generation, c.since, l.scripts.Status(), c.refused, c.ok, c.failed, c.lastOK}
}

// closeWait is how long Close waits for what is under way: a file system may be stuck, or a script have slow tests.
const closeWait = 500 * time.Millisecond

// Close ends the loop. A build that is under way is waited for, but not long, and what it makes does not count. What is published goes on
// serving; the World is closed after the loop.
func (l *Loop) Close() {
	l.stop()
	late := time.NewTimer(closeWait)
	defer late.Stop()
	select {
	case <-l.ended:
	case <-late.C:
	}
}

// closing reports whether Close was called.
func (l *Loop) closing() bool {
	select {
	case <-l.stopped:
		return true
	default:
		return false
	}
}

// trouble reports err unless it is what was reported last under this key. Nil ends it.
func (l *Loop) trouble(key string, err error) {
	if err == nil {
		delete(l.troubles, key)
	} else if text := err.Error(); l.troubles[key] != text {
		l.troubles[key] = text
		l.news = append(l.news, News{State: Trouble, Err: err})
	}
}

// tell hands the news over and returns them.
func (l *Loop) tell() []News {
	news := l.news
	l.news = nil
	if len(news) > 0 && l.options.Report != nil && !l.closing() {
		l.options.Report(Report{l.counts.Load().generation, news})
	}
	return news
}
