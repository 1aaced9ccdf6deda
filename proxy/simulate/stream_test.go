package simulate

import (
	"io"
	"testing"
)

func TestAStreamWithoutPaceAllocatesNothingAnEvent(t *testing.T) {
	events := make([][]byte, 2000)
	for i := range events {
		events[i] = []byte(ping)
	}
	s := &stream{events: events, burst: 1}
	b := make([]byte, 4096)
	if allocs := testing.AllocsPerRun(1000, func() { _, _ = s.Read(b) }); allocs != 0 {
		t.Errorf("%v allocations an event, want 0", allocs)
	}
}

func TestReadGivesNoMoreThanItsBufferHolds(t *testing.T) {
	s := &stream{events: [][]byte{[]byte("abcdefg"), []byte("hi"), []byte("jk"), []byte("lmn")}, burst: 3}
	var got []string
	b := make([]byte, 4)
	for {
		n, err := s.Read(b)
		if err == io.EOF {
			break
		}
		got = append(got, string(b[:n]))
	}
	want := []string{"abcd", "efg", "hijk", "lmn"}
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestAnEventOfTextAllocatesNothingButItsTape(t *testing.T) {
	tape := &tape{buf: make([]byte, 0, 1<<20), ends: make([]int, 0, 1<<14)}
	if allocs := testing.AllocsPerRun(1000, func() { tape.delta(0, "text_delta", "text", "word ") }); allocs != 0 {
		t.Errorf("%v allocations an event, want 0", allocs)
	}
}
