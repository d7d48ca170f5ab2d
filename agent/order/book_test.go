package order

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/source"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/journal"
)

// A library is a book with everything around it.
type library struct {
	Book
	t      *testing.T
	src    string // a file that is there
	known  map[mft.AgentName]bool
	mu     sync.Mutex // guards queued
	queued []mft.TransferID
}

func open(t *testing.T) *library {
	t.Helper()
	dir := t.TempDir()
	j, err := journal.Open(t.Context(), filepath.Join(dir, "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	l := &library{t: t, src: filepath.Join(dir, "a"), known: map[mft.AgentName]bool{"b": true, "c": true}}
	if err := os.WriteFile(l.src, []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.Book = Book{
		Journal: j, Trail: trail.New(j, slog.New(slog.DiscardHandler), time.Now), Now: time.Now,
		Knows: func(name mft.AgentName) bool { return l.known[name] },
		Find: func(_ context.Context, r *mft.Request, grants []mft.Grant) (string, error) {
			return source.Grant(r, grants)
		},
		Queue: func(row mft.Transfer) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.queued = append(l.queued, row.ID)
		},
	}
	return l
}

// holds checks how many transfers there are, each made and queued once.
func (l *library) holds(n int) {
	l.t.Helper()
	rows, err := l.Journal.Transfers(context.Background(), journal.Filter{})
	if err != nil {
		l.t.Fatal(err)
	}
	if len(rows) != n || len(l.queued) != n {
		l.t.Errorf("%d transfers are there and %d were queued, want %d of both", len(rows), len(l.queued), n)
	}
	for _, row := range rows {
		events, err := l.Journal.TransferEvents(context.Background(), row.ID)
		if err != nil || len(events) != 1 || events[0].Kind != mft.EventPlanned {
			l.t.Errorf("the events of %s are %+v, %v, want that it was planned", row.ID, events, err)
		}
	}
}

func newID(t *testing.T) mft.TransferID {
	t.Helper()
	id, err := NewID()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestOrderIsTakenOnce(t *testing.T) {
	for _, tt := range []struct {
		name  string
		order func(l *library, id mft.TransferID) (mft.TransferID, error)
	}{
		{"a copy", func(l *library, id mft.TransferID) (mft.TransferID, error) {
			placed, err := l.Copy(l.t.Context(), []string{l.src}, []Destination{{Agent: "b", Path: "/in/", Transfer: id}})
			if err != nil {
				return mft.TransferID{}, err
			}
			return placed[0].Transfer, placed[0].Err
		}},
		{"a request", func(l *library, id mft.TransferID) (mft.TransferID, error) {
			return l.Request(l.t.Context(), Request{Agent: "b", Path: "/out/a", Into: "/in/", Transfer: id})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, id := open(t), newID(t)
			again := func(when string) {
				t.Helper()
				if got, err := tt.order(l, id); err != nil || got != id {
					t.Errorf("%s: got transfer %s, %v, want %s", when, got, err, id)
				}
				l.holds(1)
			}
			again("the first time")
			again("once more")
			if err := os.Remove(l.src); err != nil {
				t.Fatal(err)
			}
			again("after the source has gone")
			clear(l.known)
			again("after the peer was removed")
		})
	}
}

// TestOrderIsGivenTwiceAtOnce: of orders with one id that come at the same
// moment the journal takes one, whichever it is, and the others find it.
func TestOrderIsGivenTwiceAtOnce(t *testing.T) {
	l, id := open(t), newID(t)
	paths := []string{"/in/x", "/in/y"}
	taken := make([]bool, len(paths)*16)
	var wg sync.WaitGroup
	for i := range taken {
		wg.Go(func() {
			placed, err := l.Copy(t.Context(), []string{l.src}, []Destination{{Agent: "b", Path: paths[i%len(paths)], Transfer: id}})
			switch {
			case err != nil:
				t.Error(err)
			case placed[0].Err == nil && placed[0].Transfer == id:
				taken[i] = true
			case mft.CodeOf(placed[0].Err) != mft.CodeIDTaken:
				t.Errorf("Copy = %+v, want the transfer, or code %s", placed[0], mft.CodeIDTaken)
			}
		})
	}
	wg.Wait()
	l.holds(1)
	row, _, err := l.Journal.Transfer(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range taken {
		if want := row.Destination == paths[i%len(paths)]; got != want {
			t.Errorf("order %d to %s: taken is %t, and the transfer goes to %s", i, paths[i%len(paths)], got, row.Destination)
		}
	}
}

func TestOrderThatDiffers(t *testing.T) {
	l, id := open(t), newID(t)
	other := filepath.Join(filepath.Dir(l.src), "other")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	copied := Destination{Agent: "b", Path: "/in/", Transfer: id}
	if _, err := l.Copy(t.Context(), []string{l.src}, []Destination{copied}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		sources []string
		to      Destination
		want    mft.Code
	}{
		{"it does not", []string{l.src}, copied, mft.CodeOK},
		{"the default by its name", []string{l.src}, Destination{Agent: "b", Path: "/in/", Overwrite: mft.OverwriteReplace, Transfer: id}, mft.CodeOK},
		{"another source", []string{other}, copied, mft.CodeIDTaken},
		{"one more source", []string{l.src, other}, copied, mft.CodeIDTaken},
		{"another agent", []string{l.src}, Destination{Agent: "c", Path: "/in/", Transfer: id}, mft.CodeIDTaken},
		{"another path", []string{l.src}, Destination{Agent: "b", Path: "/in", Transfer: id}, mft.CodeIDTaken},
		{"another policy", []string{l.src}, Destination{Agent: "b", Path: "/in/", Overwrite: mft.OverwriteNever, Transfer: id}, mft.CodeIDTaken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			placed, err := l.Copy(t.Context(), tt.sources, []Destination{tt.to})
			if err != nil {
				t.Fatal(err)
			}
			if got := mft.CodeOf(placed[0].Err); got != tt.want || placed[0].Transfer.IsZero() != (got != mft.CodeOK) {
				t.Errorf("Copy = %+v, want code %s", placed[0], tt.want)
			}
			l.holds(1)
		})
	}
	if _, err := l.Request(t.Context(), Request{Agent: "b", Path: l.src, Into: "/in/", Transfer: id}); mft.CodeOf(err) != mft.CodeIDTaken {
		t.Errorf("Request with the id of a copy = %v, want code %s", err, mft.CodeIDTaken)
	}
	l.holds(1)
}

// TestDifference: a transfer that anything else than this order made is
// another one, however alike.
func TestDifference(t *testing.T) {
	row := mft.Transfer{Role: mft.RoleSend, Peer: "b", Sources: []string{"/a"}, Destination: "/in/", Overwrite: mft.OverwriteReplace}
	for _, tt := range []struct {
		name   string
		change func(*mft.Transfer)
		want   string
	}{
		{"the same", func(*mft.Transfer) {}, ""},
		{"the same, done", func(t *mft.Transfer) { t.State, t.Attempts, t.Moved.Items = mft.StateDone, 3, 1 }, ""},
		{"a channel", func(t *mft.Transfer) { t.Channel = "nightly" }, `it is one of channel "nightly" with "b"`},
		{"what a peer sends here", func(t *mft.Transfer) { t.Role = mft.RoleReceive }, `it is one that "b" sends here`},
		{"what a peer asked for", func(t *mft.Transfer) { t.Requested = true }, `it is one that "b" asked for`},
		{"a request", func(t *mft.Transfer) { t.Role, t.Requested = mft.RoleReceive, true }, `it is a request to "b"`},
		{"a peer", func(t *mft.Transfer) { t.Peer = "c" }, `its other end is "c", not "b"`},
		{"a source", func(t *mft.Transfer) { t.Sources = []string{"/b\n"} }, `its source is "/b\n", not "/a"`},
		{"several sources", func(t *mft.Transfer) { t.Sources = []string{"/a", "/b"} }, "its sources are others"},
		{"a destination", func(t *mft.Transfer) { t.Destination = "/in" }, `its destination is "/in", not "/in/"`},
		{"a policy", func(t *mft.Transfer) { t.Overwrite = mft.OverwriteNever }, `its overwrite policy is "never", not "replace"`},
		{"the default in words", func(t *mft.Transfer) { t.Compress = mft.CompressAuto }, ""},
		{"another way to compress", func(t *mft.Transfer) { t.Compress = mft.CompressNever }, `its way to compress is "never", not ""`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changed := row
			tt.change(&changed)
			if got := Difference(changed, row); got != tt.want {
				t.Errorf("Difference(%+v, %+v) = %q, want %q", changed, row, got, tt.want)
			}
		})
	}
}

func TestCheckID(t *testing.T) {
	for _, tt := range []struct {
		name, id string
		want     mft.Code
	}{
		{"version 7", "0192f0c1-2d5b-7c3a-8e4f-0123456789ab", mft.CodeOK},
		{"version 4", "0192f0c1-2d5b-4c3a-8e4f-0123456789ab", mft.CodeUsage},
		{"another variant", "0192f0c1-2d5b-7c3a-ce4f-0123456789ab", mft.CodeUsage},
		{"nil", "00000000-0000-0000-0000-000000000000", mft.CodeUsage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, err := mft.ParseTransferID(tt.id)
			if err != nil {
				t.Fatal(err)
			}
			if err := CheckID(id); mft.CodeOf(err) != tt.want {
				t.Errorf("CheckID(%s) = %v, want code %s", tt.id, err, tt.want)
			}
		})
	}
}

func TestCopyOfSeveral(t *testing.T) {
	l, id, bad := open(t), newID(t), mft.TransferID{1}
	to := []Destination{{Agent: "b", Path: "/x", Transfer: id}, {Agent: "b", Path: "/y", Transfer: bad}, {Agent: "b", Path: "/z"}}
	placed, err := l.Copy(t.Context(), []string{l.src}, to)
	if err != nil || placed[0].Err != nil || mft.CodeOf(placed[1].Err) != mft.CodeUsage || placed[2].Transfer.IsZero() {
		t.Fatalf("Copy = %+v, %v, want two transfers, and that one id is none", placed, err)
	}
	l.holds(2)
	to[0].Transfer, to[1].Transfer = id, id
	if _, err := l.Copy(t.Context(), []string{l.src}, to); mft.CodeOf(err) != mft.CodeUsage {
		t.Errorf("Copy with one id for two destinations = %v, want code %s", err, mft.CodeUsage)
	}
	if err := os.Remove(l.src); err != nil {
		t.Fatal(err)
	}
	to[1].Transfer = newID(t)
	placed, err = l.Copy(t.Context(), []string{l.src}, to)
	if err != nil || placed[0].Transfer != id || mft.CodeOf(placed[1].Err) != mft.CodeNotFound || mft.CodeOf(placed[2].Err) != mft.CodeNotFound {
		t.Errorf("Copy of what has gone = %+v, %v, want the old transfer and no new one", placed, err)
	}
	l.holds(2)
	if _, err := l.Copy(t.Context(), []string{l.src}, to[1:]); mft.CodeOf(err) != mft.CodeNotFound {
		t.Errorf("Copy of what has gone, with nothing old = %v, want code %s", err, mft.CodeNotFound)
	}
}
