package proxy_test

import (
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/health"
)

// Without a descriptor no upstream can be asked. None is put aside for it, whether it has a name or an address.
func TestWhatThisMachineLacksIsNoFailureOfAnUpstream(t *testing.T) {
	f := func(host string) {
		t.Helper()
		u := plays(t, answers(ok("{}"))).upstream("a")
		_, port, _ := net.SplitHostPort(u.BaseURL.Host)
		u.BaseURL.Host = net.JoinHostPort(host, port)
		u.Breaker = engine.Breaker{Failures: 2, Within: time.Minute, Open: time.Minute}
		r := newRig(t, u)
		r.gen.Vitals = health.NewTracker(nil)
		c := r.start().dial()
		want(t, host+": before", c.send(request("HEAD", "/api/hello", "")).read("HEAD").code(), "200 ")
		release := takeDescriptors(t)
		for range 4 {
			want(t, host+": without descriptors", c.send(post("/v1/messages", hello)).read("POST").code(), "502 upstream_unreachable")
		}
		release()
		want(t, host+": after", c.send(post("/v1/messages", hello)).read("POST").code(), "200 ")
		attempt := r.ledger.wait(t, 5)[0].Trace.Attempts[0]
		want(t, attempt.Error, attempt.Class, engine.ClassShortage)
	}
	f("127.0.0.1")
	f("localhost")
}

// takeDescriptors takes all that the process may have, until release.
func takeDescriptors(t *testing.T) (release func()) {
	t.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	few := syscall.Rlimit{Cur: 256, Max: was.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	var taken []*os.File
	for range few.Cur {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		taken = append(taken, f)
	}
	return func() {
		for _, f := range taken {
			f.Close()
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
			t.Error(err)
		}
	}
}
