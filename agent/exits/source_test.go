package exits

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/exits/process"
	"mft.dev/mft/journal"
)

// leaves has a transfer planned that this host sends.
func (b *bench) leaves(n byte, channel string, sources ...string) mft.Transfer {
	b.t.Helper()
	t := mft.Transfer{
		ID: mft.TransferID{n}, Role: mft.RoleSend, Peer: "erp", Channel: channel, State: mft.StatePlanned, Sources: sources, Destination: "/srv/in/",
	}
	b.update(func(tx *journal.Tx) error {
		return errors.Join(tx.Create(t), tx.SetState(t.ID, mft.StateQueued, mft.Reason{}, time.Now()), tx.SetState(t.ID, mft.StateRunning, mft.Reason{}, time.Now()))
	})
	return t
}

// ended ends a transfer that this host sends, with a receipt for items.
func (b *bench) ended(t mft.Transfer, items int64, state mft.State) {
	b.t.Helper()
	b.update(func(tx *journal.Tx) error {
		var err error
		if state == mft.StateDone {
			err = errors.Join(tx.StoreReceipt(t.ID, mft.Receipt{Transfer: t.ID, Received: mft.Count{Items: items - 1}, Unchanged: mft.Count{Items: 1}}, nil),
				tx.SetState(t.ID, mft.StateDelivered, mft.Reason{}, time.Now()))
		}
		reason := mft.Reason{}
		if state != mft.StateDone {
			reason.Code = mft.CodeIO
		}
		t.State = state
		return errors.Join(err, tx.SetState(t.ID, state, reason, time.Now()), b.r.Ended(tx, t))
	})
}

// tell has events of a transfer written.
func (b *bench) tell(t mft.Transfer, details ...string) {
	b.t.Helper()
	b.update(func(tx *journal.Tx) (err error) {
		for _, d := range details {
			err = errors.Join(err, tx.Append(mft.Event{Kind: mft.EventItem, Transfer: t.ID, Code: mft.CodeNotFound, Detail: d}))
		}
		return err
	})
}

// TestWhatWasSent: commands follow at the source what the receipt is for.
func TestWhatWasSent(t *testing.T) {
	const channel = "nightly"
	all := []string{"/out/a.csv", "/out/b.csv", `/out/"c".csv`}
	for _, tt := range []struct {
		name    string
		channel string
		sources []string
		told    []string
		items   int64
		state   mft.State
		want    []string
		unknown bool
	}{
		{"files of a command", "", all, nil, 3, mft.StateDone, all, false},
		{"a tree", "", []string{"/out/d/"}, nil, 1000, mft.StateDone, []string{"/out/d"}, false},
		{"of several, some match", "", []string{"/out/a.csv", "/out/none.txt"}, nil, 2, mft.StateDone, []string{"/out/a.csv"}, false},
		{"of a channel", channel, all, nil, 3, mft.StateDone, all, false},
		{"one had gone", channel, all, []string{`send "/out/b.csv": it has gone`}, 2, mft.StateDone, []string{all[0], all[2]}, false},
		{"one with an odd name had gone", channel, all, []string{`send "/out/\"c\".csv": it has gone`}, 2, mft.StateDone, all[:2], false},
		{"one had gone and was back", channel, all, []string{`send "/out/b.csv": it has gone`}, 3, mft.StateDone, all, false},
		{"gone, and nobody told", channel, all, nil, 2, mft.StateDone, nil, true},
		{"another than was told", channel, all, []string{`send "/out/b.csv.old": it has gone`}, 2, mft.StateDone, nil, true},
		{"failed", channel, all, nil, 0, mft.StateFailed, []string{"/out"}, false},
		{"rejected", "", all[:1], nil, 0, mft.StateRejected, all[:1], false},
		{"cancelled", "", all, nil, 0, mft.StateCancelled, nil, false},
		{"nothing matches", channel, []string{"/out/none.txt"}, nil, 1, mft.StateDone, nil, false},
		{"nothing matches in what failed", "", []string{"/out/none.txt"}, nil, 0, mft.StateFailed, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t,
				mft.Exit{Phase: mft.ExitPost, At: mft.EndSource, Match: `/d$|\.csv$`}, mft.Exit{Phase: mft.ExitError, At: mft.EndSource, Match: `\.csv$`},
				mft.Exit{Phase: mft.ExitPost}, mft.Exit{Phase: mft.ExitError}, mft.Exit{Phase: mft.ExitPost, At: mft.EndSource, From: "another"})
			x := b.leaves(1, tt.channel, tt.sources...)
			b.tell(x, tt.told...)
			b.ended(x, tt.items, tt.state)
			b.settle(x, tt.want...)
			if n := b.watched(); n != 0 {
				t.Errorf("%d transfers are watched still", n)
			}
			codes, _ := b.events(x, mft.EventExitEnded)
			row, _, err := b.j.Transfer(t.Context(), x.ID)
			if told := len(codes) > 0 && codes[0] == mft.CodeExit; err != nil || told != tt.unknown || (row.Reason.Code == mft.CodeExit) != tt.unknown {
				t.Errorf("told %v, reason %+v, %v; want it to be told: %t", codes, row.Reason, err, tt.unknown)
			}
		})
	}
}

// TestFollowedOnceAtTheSource: a command that was interrupted runs again, one that is
// over does not, and one that failed is tried as its exit says.
func TestFollowedOnceAtTheSource(t *testing.T) {
	exit := mft.Exit{Phase: mft.ExitPost, At: mft.EndSource, Retries: 1, RetryDelay: time.Nanosecond}
	b := newBench(t, exit)
	x := b.leaves(1, "", "/out/a", "/out/b")
	b.ended(x, 2, mft.StateDone)
	b.answer = func(n int) (process.Outcome, error) {
		switch n {
		case 1:
			return process.Outcome{Status: 3}, nil
		case 2:
			return process.Outcome{Stopped: true, Status: -1}, nil
		}
		return process.Outcome{}, nil
	}
	if _, err := b.pass(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	b.wants("/out/a", "/out/b")
	b.configure(exit) // another life of the agent
	b.answer = func(int) (process.Outcome, error) { return process.Outcome{}, nil }
	b.settle(x, "/out/a", "/out/b")
	b.configure(exit)
	b.settle(x)
	if n := b.watched(); n != 0 {
		t.Errorf("%d transfers are watched still", n)
	}
	for _, one := range must(b.j.Exits(t.Context(), x.ID)) {
		if one.Runs != 2 || !one.Ended {
			t.Errorf("%s ran %d times, ended: %t", one.Path, one.Runs, one.Ended)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestOffer: what a command before an offer says becomes of the attempt, and what was
// offered once is not asked about again.
func TestOffer(t *testing.T) {
	for _, tt := range []struct {
		name     string
		attempts int
		outcome  process.Outcome
		err      error
		want     mft.Code
		asked    bool
	}{
		{"go on", 0, process.Outcome{}, nil, mft.CodeOK, true},
		{"never", 0, process.Outcome{Status: 1}, nil, mft.CodeExitRefused, true},
		{"later", 0, process.Outcome{Status: 75}, nil, mft.CodeMaintenance, true},
		{"broken", 0, process.Outcome{Status: 2}, nil, mft.CodeExit, true},
		{"too long", 0, process.Outcome{TimedOut: true}, nil, mft.CodeExit, true},
		{"no such program", 0, process.Outcome{Status: -1}, errors.New("no such program"), mft.CodeExit, true},
		{"offered before", 1, process.Outcome{Status: 1}, nil, mft.CodeOK, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, mft.Exit{Phase: mft.ExitPre, At: mft.EndSource, Match: "b$"}, mft.Exit{Phase: mft.ExitPre})
			b.answer = func(int) (process.Outcome, error) { return tt.outcome, tt.err }
			x := b.leaves(1, "", "/out/x/a", "/out/y/b")
			x.Attempts = tt.attempts
			if err := b.r.Offer(t.Context(), x); mft.CodeOf(err) != tt.want {
				t.Errorf("Offer = %v, want %s", err, tt.want)
			}
			if tt.asked {
				b.wants("/out")
			} else {
				b.wants()
			}
		})
	}
}

func TestHolds(t *testing.T) {
	for _, tt := range []struct {
		paths []string
		want  string
	}{
		{[]string{"/a/b"}, "/a/b"},
		{[]string{"/a/b", "/a/c"}, "/a"},
		{[]string{"/a/b/c", "/a/bc"}, "/a"},
		{[]string{"/a/b", "/c"}, "/"},
		{[]string{"/a/b/c", "/a/b/d/e", "/a/b/c"}, "/a/b"},
		{[]string{"C:/a/b", "C:/a/c"}, "C:/a"},
		{[]string{"C:/a", "D:/b"}, "."},
		{nil, "/"},
	} {
		t.Run(fmt.Sprint(tt.paths), func(t *testing.T) {
			if got := holds(tt.paths); got != tt.want {
				t.Errorf("holds = %q, want %q", got, tt.want)
			}
		})
	}
}
