package runtimes_test

import (
	"runtime"
	"testing"
	"time"

	"sluice/runtimes"
)

// An edit brings a top level, which has room beside those that serve, whatever idle states keep. Calls have what both leave.
func TestATopLevelHasRoomWhateverStatesKeep(t *testing.T) {
	p := pool(32 * mib)
	var owners []*[64]byte // who is collected holds nothing
	defer func() { runtime.KeepAlive(owners) }()
	hold := func(bytes int64) error {
		owners = append(owners, new([64]byte))
		return runtimes.NewStock(p, owners[len(owners)-1]).HoldTopLevel("s.lua", bytes+1)
	}
	if err := hold(10 * mib); err != nil {
		t.Fatal(err)
	}
	if keeps := runtimes.NewStock(p, t); !keeps.Hold(4*mib + 1) {
		t.Fatal("states may not keep an eighth")
	}
	if err := hold(6 * mib); err != nil {
		t.Errorf("the edit: %v", err)
	}
	call := runtimes.Share{Pool: p}
	defer call.Free()
	soon := func() time.Time { return time.Now().Add(time.Millisecond) }
	if err := call.Cover(12*mib+2, soon()); err != nil {
		t.Errorf("a call that takes what is left: %v", err)
	}
	if err := call.Cover(13*mib+2, soon()); err == nil {
		t.Errorf("%d MiB are held, want %d at most", p.Used()/mib, p.Limit()/mib)
	}
}
