package reload_test

import (
	"context"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/reload"
)

func TestCloseLeavesNoGoroutine(t *testing.T) {
	for range 3 {
		before := runtime.NumGoroutine()
		r := serving(t, "a.star", "a")
		r.loop.Close()
		r.loop.Close()
		r.config("b.star")
		if err := r.tryStart(reload.Options{}); err == nil {
			t.Error("a start without its script gives no error")
		}
		for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
			if time.Now().After(end) { // what has said that it ends may take a moment to be gone
				t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
			}
		}
	}
}

// Who ends the loop does not wait for a build that does not end, nor does who waits for a round. What comes of it later counts no more.
func TestCloseWaitsForNoBuildThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	data, err := reload.OpenData(r.path("data"))
	r.must(err)
	r.write("scripts/a.star", "a1")
	r.start(reload.Options{PollOnly: true, Data: data}, "a.star")
	saved, err := data.Read("scripts.json")
	r.must(err)
	building, goOn := make(chan struct{}), make(chan struct{})
	r.mu.Lock()
	r.before = func(*reload.Input) {
		building <- struct{}{}
		<-goOn
	}
	r.mu.Unlock()
	r.write("scripts/a.star", "a2")
	asked := make(chan error)
	go func() {
		_, err := r.loop.Reload(context.Background())
		asked <- err
	}()
	<-building
	r.loop.Close()
	if err := <-asked; errorText(err) != "reload: the loop is closed" {
		t.Errorf("Reload: %v", err)
	}
	close(goOn)
	r.loop.Close() // which now waits for its end
	now, err := data.Read("scripts.json")
	if got := r.live("a.star"); got != "a1" || err != nil || string(now) != string(saved) {
		t.Errorf("after Close %q serves and is saved as %s, %v, want what was", got, now, err)
	}
	if r.open != 1 {
		t.Errorf("%d generations are open, want the one that serves", r.open)
	}
}

func TestCallsOfReloadShareARound(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.write("scripts/a.star", "old")
	r.start(reload.Options{PollOnly: true}, "a.star")
	building, goOn := make(chan struct{}, 100), make(chan struct{})
	r.mu.Lock()
	r.before = func(*reload.Input) {
		building <- struct{}{}
		<-goOn
	}
	r.mu.Unlock()
	var wait sync.WaitGroup
	called := make(chan struct{}, 100)
	call := func(want string) {
		wait.Go(func() {
			called <- struct{}{}
			if _, err := r.loop.Reload(t.Context()); err != nil {
				t.Error(err)
			}
			if got := r.live("a.star"); got != want {
				t.Errorf("after Reload %q serves, want %q", got, want)
			}
		})
	}
	call("old")
	<-building // this round has read the disk already: it does not count for those who ask from now on
	r.write("scripts/a.star", "new")
	<-called
	call("new")
	<-called
	goOn <- struct{}{}
	<-building
	before := r.built()
	for range 40 {
		call("new")
	}
	for range 40 {
		<-called
	}
	close(goOn)
	wait.Wait()
	if n := r.built() - before; n > 20 {
		t.Errorf("%d builds for 40 calls", n)
	}
}

func TestAReloadGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.write("scripts/a.star", "a")
	r.start(reload.Options{PollOnly: true}, "a.star")
	goOn := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	r.mu.Lock()
	r.before = func(*reload.Input) {
		cancel()
		<-goOn
	}
	r.mu.Unlock()
	if _, err := r.loop.Reload(ctx); err != context.Canceled {
		t.Errorf("Reload: %v, want %v", err, context.Canceled)
	}
	close(goOn)
}

func TestARootThatIsGoneIsToldAndServesOn(t *testing.T) {
	t.Parallel()
	r := serving(t, "a.star", "a1")
	r.rename("scripts", "gone")
	if n := r.untilNews(reload.Trouble, ""); !strings.Contains(n.String(), "no such file or directory") {
		t.Errorf("news %q", n)
	}
	out, err := r.loop.Reload(t.Context())
	if err != nil || r.live("a.star") != "a1" {
		t.Errorf("serves %q, %v", r.live("a.star"), err)
	}
	if !strings.Contains(errorText(out.Err), "no such file or directory") {
		t.Errorf("who asks for a reload is told %v", out.Err)
	}
	r.rename("gone", "scripts")
	r.untilNews(reload.Live, r.path("scripts"))
	r.rename("scripts", "gone")
	r.untilNews(reload.Trouble, "")
	r.mkdir("scripts")
	r.write("scripts/a.star", "a2")
	r.untilLive("a.star", "a2")
}

func TestARetiredGenerationIsClosed(t *testing.T) {
	t.Parallel()
	world, closed, number := &engine.World{}, make(chan uint64, 3), uint64(0)
	loop, err := reload.Start(reload.Options{World: world, PollOnly: true, Build: func(in *reload.Input) (*engine.Generation, error) {
		g := &engine.Generation{Number: in.Number}
		g.OnClose(func() { closed <- g.Number })
		if number = in.Number; number == 2 {
			world.Publish(&engine.Generation{Number: 7})
		}
		return g, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer loop.Close()
	if _, err := loop.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if one, two := <-closed, <-closed; one != 1 || two != 2 || number != 8 {
		t.Errorf("closed %d and %d, built %d at last, want 1, the overtaken 2, and 8", one, two, number)
	}
}

func TestABuildWithAnotherNumberIsRefused(t *testing.T) {
	t.Parallel()
	_, err := reload.Start(reload.Options{World: &engine.World{}, Build: func(*reload.Input) (*engine.Generation, error) {
		return &engine.Generation{}, nil
	}})
	if got := errorText(err); got != "build: generation 0, want 1" {
		t.Errorf("Start: %q", got)
	}
}

func TestAConfigFromAPipeIsReadOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	out, in, err := os.Pipe()
	r.must(err)
	defer out.Close()
	_, err = in.WriteString("use nothing")
	r.must(err)
	r.must(in.Close())
	var configs []string
	loop, err := reload.Start(reload.Options{World: r.world, Config: "/proc/self/fd/" + strconv.Itoa(int(out.Fd())), PollOnly: true,
		Build: func(in *reload.Input) (*engine.Generation, error) {
			configs = append(configs, string(in.Config))
			return &engine.Generation{Number: in.Number}, nil
		}})
	r.must(err)
	defer loop.Close()
	_, err = loop.Reload(t.Context())
	r.must(err)
	if !slices.Equal(configs, []string{"use nothing", "use nothing"}) {
		t.Errorf("configs %q", configs)
	}
}

// A pipe in the place of a secret holds no reload up while nobody writes to it, and is read once somebody does.
func TestAPipeThatNobodyWritesToHoldsNothingUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.write("scripts/a.star", "old")
	r.start(reload.Options{PollOnly: true}, "a.star")
	pipe := r.path("secret")
	r.must(syscall.Mkfifo(pipe, 0o600))
	r.config("a.star\nsecret " + pipe)
	r.write("scripts/a.star", "new")
	out, err := r.loop.Reload(t.Context())
	r.must(err)
	if out.Err == nil || !strings.Contains(out.Err.Error(), "nobody writes to this pipe") {
		t.Errorf("got %v", out.Err)
	}
	if got := r.live("a.star"); got != "new" {
		t.Errorf("%q serves beside a config that cannot be read, want new", got)
	}
	reader, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0) // keeps what is written until it is read
	r.must(err)
	defer reader.Close()
	r.must(os.WriteFile(pipe, []byte("key"), 0))
	for _, use := range []string{"a.star", "a.star\nsecret " + pipe} { // a config that names it anew has it read again
		r.config(use)
		if out, err = r.loop.Reload(t.Context()); out.Err != nil || err != nil {
			t.Errorf("%q: %v, %v", use, out.Err, err)
		}
	}
	if got := r.live(pipe); got != "key" {
		t.Errorf("the secret is %q", got)
	}
}

// A file whose bytes come as they arise, such as the kernel's log, holds no other up for long, named or not, and is told as an error.
func TestAFileThatNeverEndsHoldsNothingUpForLong(t *testing.T) {
	t.Parallel()
	const endless = "/proc/kmsg"
	want := "z.star" // there is no such file here, or not for everybody
	if in, err := os.Open(endless); err == nil {
		if info, err := in.Stat(); err == nil && info.Mode().IsRegular() {
			want = "want one that ends"
		}
		in.Close()
	}
	r := serving(t, "a.star", "a1")
	r.symlink(endless, "scripts/z.star")
	r.replace("scripts/a.star", "a2")
	r.untilLive("a.star", "a2")
	r.config("a.star", "z.star")
	if n := r.untilNews(reload.Refused, r.path("conf")); !strings.Contains(n.Err.Error(), "z.star") || !strings.Contains(n.Err.Error(), want) {
		t.Errorf("news %q", n)
	}
}

func TestOncePublishesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.write("scripts/a.star", "a")
	r.config("a.star")
	g, err := reload.Once(r.path("conf"), r.build)
	if err != nil || g.Number != 1 || r.world.Lease() != nil {
		t.Errorf("Once: %v, %v", g, err)
	}
	r.config("b.star")
	if _, err := reload.Once(r.path("conf"), r.build); errorText(err) != "b.star: no such file below the scripts root" {
		t.Errorf("Once: %v", err)
	}
}

func TestNewsIsOneLine(t *testing.T) {
	t.Parallel()
	f := func(n reload.News, want string) {
		t.Helper()
		if got := n.String(); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	bad := &engine.ScriptError{File: "a.star", Line: 3, Column: 7, Message: "undefined: x", Also: []string{"second line", "third"}}
	f(reload.News{State: reload.Live, Path: "a.star", Version: "0123456789abcdef", Tests: 2},
		"a.star: version 0123456789ab is live, tests passed: 2")
	f(reload.News{State: reload.Live, Path: "conf"}, "conf: live")
	f(reload.News{State: reload.Kept, Path: "a.star", Version: "01", Err: bad},
		"a.star:3:7: undefined: x (and 2 more); a.star serves on with version 01")
	f(reload.News{State: reload.Refused, Path: "conf", Err: bad},
		"conf is refused, the config before stays in force: a.star:3:7: undefined: x (and 2 more)")
	f(reload.News{State: reload.Trouble, Err: bad}, "a.star:3:7: undefined: x (and 2 more)")
}

// It prints how long it takes from a rename to the new generation; nothing is asserted but that it comes.
func BenchmarkRenameToPublished(b *testing.B) {
	r := newRig(b)
	for i := range 30 {
		r.write("scripts/other"+strconv.Itoa(i)+".star", strings.Repeat("x", 5000))
	}
	r.write("scripts/a.star", "0")
	r.start(reload.Options{}, "a.star")
	var took []time.Duration
	for b.Loop() {
		time.Sleep(30 * time.Millisecond) // a person's edits are further apart than builds must be
		text := strconv.Itoa(len(took) + 1)
		r.write("scripts/.a", text)
		begin := time.Now()
		r.rename("scripts/.a", "scripts/a.star")
		r.untilLive("a.star", text)
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}
