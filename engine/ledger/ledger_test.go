package ledger_test

import (
	"fmt"
	"testing"

	"sluice/engine"
	"sluice/engine/ledger"
)

func ids(rows []*engine.Record) string {
	out := ""
	for _, r := range rows {
		out += r.RequestID + " "
	}
	return out
}

func recent(t *testing.T, b *ledger.Book, q ledger.Query) string {
	t.Helper()
	rows, err := b.Recent(q)
	if err != nil {
		t.Fatal(err)
	}
	return ids(rows)
}

func TestRecentRowsComeNewestFirstWhetherTheyAreWrittenOrNot(t *testing.T) {
	b := open(t, t.TempDir(), generous, &told{})
	f := func(limit int, want string) {
		t.Helper()
		if got := recent(t, b, ledger.Query{Limit: limit}); got != want {
			t.Errorf("recent %d: %q, want %q", limit, got, want)
		}
	}
	f(10, "")
	for i := range 2 {
		b.Record(&engine.Record{RequestID: fmt.Sprint(i)})
	}
	f(10, "1 0 ")
	eventually(t, "the rows are written", func() bool { return b.Stats().Waiting == 0 })
	f(10, "1 0 ")
	for i := range 5 {
		b.Record(&engine.Record{RequestID: fmt.Sprint(i + 2), Status: 200 + i})
	}
	f(10, "6 5 4 3 2 1 0 ")
	f(2, "6 5 ")
	if got := recent(t, b, ledger.Query{Status: 203, Limit: 10}); got != "5 " {
		t.Errorf("by status: %q", got)
	}
}

func TestARequestIsFoundByAnyOfItsIDs(t *testing.T) {
	b := open(t, t.TempDir(), generous, &told{})
	b.Record(&engine.Record{RequestID: "without a client's id"})
	b.Record(&engine.Record{RequestID: "ours", ClientRequestID: "theirs", UpstreamReqID: "req_1"})
	find := func() {
		t.Helper()
		for _, id := range []string{"ours", "theirs", "req_1"} {
			if r, err := b.Find(id); err != nil || r == nil || r.RequestID != "ours" {
				t.Errorf("%s: %v, %v", id, r, err)
			}
		}
		if r, err := b.Find(""); r != nil || err != nil {
			t.Error("the empty id finds a record without a client's id")
		}
	}
	find()
	eventually(t, "the rows are written", func() bool { return b.Stats().Waiting == 0 })
	find()
}
