package exits

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/exits/process"
	"mft.dev/mft/journal"
	"mft.dev/mft/transfer/staging/publish"
)

const mark = "-mft-command-of-a-test"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == mark {
		_, _ = os.Stdout.WriteString("read " + os.Args[2])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A bench is a journal, a runner on it, and what was run.
type bench struct {
	t      *testing.T
	j      *journal.Journal
	r      *Runner
	mu     sync.Mutex // guards ran
	ran    []string   // last arguments
	env    []string   // of the last
	answer func(n int) (process.Outcome, error)
}

func newBench(t *testing.T, exits ...mft.Exit) *bench {
	t.Helper()
	j, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	b := &bench{t: t, j: j, answer: func(int) (process.Outcome, error) { return process.Outcome{}, nil }}
	b.configure(exits...)
	return b
}

// configure begins another life of the agent.
func (b *bench) configure(exits ...mft.Exit) {
	b.t.Helper()
	for i := range exits {
		if exits[i].Run == nil {
			exits[i].Run = []string{"/opt/import", "{fullFilePath}"}
		}
	}
	r, err := New(Config{Exits: exits, Agent: "here", Journal: b.j, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		b.t.Fatal(err)
	}
	r.run = func(_ context.Context, o process.Order) (process.Outcome, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.ran = append(b.ran, o.Args[len(o.Args)-1])
		b.env = o.Env
		return b.answer(len(b.ran))
	}
	b.r = r
}

func (b *bench) update(f func(tx *journal.Tx) error) {
	b.t.Helper()
	if err := b.j.Update(b.t.Context(), f); err != nil {
		b.t.Fatal(err)
	}
}

// accept has a transfer accepted.
func (b *bench) accept(n byte) mft.Transfer {
	b.t.Helper()
	t := mft.Transfer{
		ID: mft.TransferID{n}, Role: mft.RoleReceive, Peer: "erp", Channel: "nightly", State: mft.StatePlanned, Destination: "/srv/in/",
	}
	b.update(func(tx *journal.Tx) error {
		return errors.Join(tx.Create(t), tx.SetLanding(t.ID, journal.Landing{Root: "/srv", Dir: "in"}), b.r.Watch(tx, t),
			tx.SetState(t.ID, mft.StateRunning, mft.Reason{}, time.Now()))
	})
	return t
}

func entry(name string) journal.Entry {
	e := journal.Entry{Temp: "t/" + name, Final: "in/" + name, Type: mft.ItemFile, Digest: mft.Digest{1}, Size: 3}
	copy(e.Key[:], name)
	return e
}

// deliver has entries COMMITTED.
func (b *bench) deliver(t mft.Transfer, entries ...journal.Entry) {
	b.t.Helper()
	var n int64
	b.update(func(tx *journal.Tx) (err error) {
		n, err = tx.Prepare(t.ID, entries)
		return err
	})
	b.update(func(tx *journal.Tx) error { return tx.Commit(t.ID, n) })
}

// finish ends a transfer.
func (b *bench) finish(t mft.Transfer, states ...mft.State) {
	b.t.Helper()
	b.update(func(tx *journal.Tx) error {
		var err error
		for _, s := range states {
			r := mft.Reason{}
			if s == mft.StateFailed {
				r = mft.Reason{Code: mft.CodeIO, Detail: "disk"}
			}
			err = errors.Join(err, tx.SetState(t.ID, s, r, time.Now()))
		}
		return errors.Join(err, tx.StoreReceipt(t.ID, mft.Receipt{Transfer: t.ID}, nil), tx.ClearStaging(t.ID))
	})
}

func (b *bench) done(t mft.Transfer) {
	b.t.Helper()
	b.finish(t, mft.StateVerifying, mft.StateDelivered, mft.StateDone)
}

// settle runs what is to be run and wants these last arguments.
func (b *bench) settle(t mft.Transfer, want ...string) {
	b.t.Helper()
	if _, err := b.pass(b.t.Context(), t); err != nil {
		b.t.Fatalf("settle: %v", err)
	}
	b.wants(want...)
}

// pass settles as Run does, and reports whether something is due.
func (b *bench) pass(ctx context.Context, t mft.Transfer) (due bool, err error) {
	b.t.Helper()
	h := b.r.take(t.ID)
	if h == nil {
		b.t.Fatal("it is not time yet")
	}
	err = b.r.settle(ctx, t.ID, h)
	b.r.leave(t.ID, h, err)
	return len(h.due) > 0, err
}

func (b *bench) wants(want ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.ran, want) {
		b.t.Errorf("ran for %q, want %q", b.ran, want)
	}
	b.ran = nil
}

// events returns the codes of the events of one kind.
func (b *bench) events(t mft.Transfer, kind mft.EventKind) (codes []mft.Code, details string) {
	b.t.Helper()
	all, err := b.j.TransferEvents(b.t.Context(), t.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range all {
		if e.Kind == kind {
			codes = append(codes, e.Code)
			details += e.Detail + "\n"
		}
	}
	return codes, details
}

func (b *bench) watched() int {
	b.t.Helper()
	ids, _, err := b.j.WatchedEnded(b.t.Context(), 0, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	return len(ids)
}

func TestEachFileOnce(t *testing.T) {
	b := newBench(t, mft.Exit{Phase: mft.ExitPost, Match: `\.csv$`}, mft.Exit{Phase: mft.ExitError})
	x := b.accept(1)
	moved, dir := entry("moved.csv"), entry("dir.csv")
	moved.Digest, dir.Type = publish.MoveMark(7), mft.ItemDir
	b.deliver(x, entry("a\nb\xff.csv"), entry("c.txt"), moved, dir)
	b.settle(x) // it has not ended
	b.deliver(x, entry("d.csv"))
	b.done(x)
	if n := b.watched(); n != 1 {
		t.Errorf("%d transfers have commands to run, want 1", n)
	}
	b.settle(x, "/srv/in/a\nb\xff.csv", "/srv/in/d.csv")
	b.settle(x)
	if n := b.watched(); n != 0 {
		t.Errorf("%d transfers still have commands to run", n)
	}
	if codes, _ := b.events(x, mft.EventExitEnded); len(codes) != 2 || !codes[0].OK() {
		t.Errorf("events %q", codes)
	}
}

func TestDroppedBatchIsNotDelivered(t *testing.T) {
	b := newBench(t, mft.Exit{Phase: mft.ExitPost})
	x := b.accept(1)
	b.update(func(tx *journal.Tx) error {
		n, err := tx.Prepare(x.ID, []journal.Entry{entry("a"), entry("b")})
		if err != nil {
			return err
		}
		// As when one of the two could not take its name.
		if err := tx.Drop(x.ID, n); err != nil {
			return err
		}
		if n, err = tx.Prepare(x.ID, []journal.Entry{entry("b")}); err != nil {
			return err
		}
		return tx.Commit(x.ID, n)
	})
	b.done(x)
	b.settle(x, "/srv/in/b")
}

func TestWhatWasThereIsNotDelivered(t *testing.T) {
	b := newBench(t, mft.Exit{Phase: mft.ExitPost})
	there := entry("new/a")
	there.Temp = ""
	x := b.accept(1)
	b.deliver(x, there)
	b.done(x)
	b.settle(x)
}

func TestOnlyWhatIsNeededIsListed(t *testing.T) {
	b := newBench(t, mft.Exit{Phase: mft.ExitError}, mft.Exit{Phase: mft.ExitPost, From: "other"})
	if watched, listed, err := b.j.Watched(t.Context(), b.accept(1).ID); err != nil || !watched || listed {
		t.Errorf("Watched = %t, %t, %v; want watched and not listed", watched, listed, err)
	}
	b.configure(mft.Exit{Phase: mft.ExitPost})
	if watched, listed, err := b.j.Watched(t.Context(), b.accept(2).ID); err != nil || !watched || !listed {
		t.Errorf("Watched = %t, %t, %v; want watched and listed", watched, listed, err)
	}
}

func TestFailedTransfer(t *testing.T) {
	b := newBench(t, mft.Exit{Phase: mft.ExitPost}, mft.Exit{Phase: mft.ExitError, Run: []string{"/opt/tell", "{fullFilePath} {code} {reason}"}})
	x := b.accept(1)
	b.deliver(x, entry("a"))
	b.finish(x, mft.StateFailed)
	b.settle(x, "/srv/in/a", "/srv/in IO_ERROR disk")
	b.settle(x)
}

func TestUnmatchedTransferIsNotWatched(t *testing.T) {
	b := newBench(t, mft.Exit{Phase: mft.ExitPost, From: "other"}, mft.Exit{Phase: mft.ExitPre})
	x := b.accept(1)
	b.deliver(x, entry("a"))
	b.done(x)
	if n := b.watched(); n != 0 {
		t.Errorf("%d transfers are watched for nothing", n)
	}
}

func TestFailureIsTold(t *testing.T) {
	b := newBench(t, mft.Exit{Phase: mft.ExitPost, Retries: 2, RetryDelay: 1})
	b.answer = func(int) (process.Outcome, error) {
		return process.Outcome{Status: 3, Output: []byte("no such table")}, nil
	}
	x := b.accept(1)
	b.deliver(x, entry("a"), entry("b"))
	b.done(x)
	// Nobody waits for the command of another file to be run again.
	for range 3 {
		b.settle(x, "/srv/in/a", "/srv/in/b")
	}
	if n := b.watched(); n != 0 {
		t.Errorf("%d transfers still have commands to run", n)
	}
	list, err := b.j.Exits(t.Context(), x.ID)
	if err != nil || len(list) != 2 {
		t.Fatalf("Exits = %+v, %v", list, err)
	}
	if one := list[0]; !one.Ended || one.Runs != 3 || one.Failures != 3 || one.Status != 3 || one.Code != mft.CodeExit ||
		string(one.Output) != "no such table" || one.Path != "/srv/in/a" || one.Command != "/opt/import /srv/in/a" {
		t.Errorf("the journal has %+v", one)
	}
	codes, details := b.events(x, mft.EventExitEnded)
	if len(codes) != 6 || codes[0] != mft.CodeExit || !strings.Contains(details, "exit status 3") || !strings.Contains(details, "no such table") {
		t.Errorf("events %q: %s", codes, details)
	}
	row, _, err := b.j.Transfer(t.Context(), x.ID)
	if err != nil || row.State != mft.StateDone || row.Reason.Code != mft.CodeExit {
		t.Errorf("the transfer is %s with %+v, %v", row.State, row.Reason, err)
	}
}

func TestRetryThatHelps(t *testing.T) {
	b := newBench(t, mft.Exit{Phase: mft.ExitPost, Retries: 5, RetryDelay: 1})
	b.answer = func(n int) (process.Outcome, error) {
		if n == 1 {
			return process.Outcome{}, mft.Fail(mft.CodeExit, "start the command", "", nil)
		}
		return process.Outcome{}, nil
	}
	x := b.accept(1)
	b.deliver(x, entry("a"))
	b.done(x)
	b.settle(x, "/srv/in/a")
	b.settle(x, "/srv/in/a")
	if row, _, err := b.j.Transfer(t.Context(), x.ID); err != nil || !row.Reason.Code.OK() {
		t.Errorf("the transfer has the reason %+v, %v", row.Reason, err)
	}
}

// TestInterrupted ends the agent at each point around a command.
func TestInterrupted(t *testing.T) {
	for _, c := range []struct {
		name  string
		once  bool
		ran   bool // the command had begun
		want  []string
		codes int // events of ends with a code
	}{
		{"before it began", false, false, []string{"/srv/in/a", "/srv/in/b"}, 0},
		{"while it ran", false, true, []string{"/srv/in/a", "/srv/in/b"}, 0},
		{"while it ran, to be run once", true, true, []string{"/srv/in/b"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mft.Exit{Phase: mft.ExitPost, Once: c.once}
			b := newBench(t, e)
			x := b.accept(1)
			b.deliver(x, entry("a"), entry("b"))
			b.done(x)
			ctx, cancel := context.WithCancel(t.Context())
			if !c.ran {
				cancel()
			}
			b.answer = func(int) (process.Outcome, error) {
				cancel()
				return process.Outcome{Stopped: true}, nil
			}
			if _, err := b.pass(ctx, x); err == nil {
				t.Fatal("settle says that all is over")
			}
			cancel()
			b.mu.Lock()
			b.ran = nil
			b.mu.Unlock()
			b.configure(e)
			b.answer = func(int) (process.Outcome, error) { return process.Outcome{}, nil }
			b.settle(x, c.want...)
			codes, _ := b.events(x, mft.EventExitEnded)
			if n := len(slices.DeleteFunc(codes, mft.Code.OK)); n != c.codes {
				t.Errorf("%d ends with a code, want %d", n, c.codes)
			}
			b.settle(x)
		})
	}
}

func TestRunFindsWhatEnds(t *testing.T) {
	b := newBench(t, mft.Exit{Phase: mft.ExitPost})
	before := b.accept(1)
	b.deliver(before, entry("before"))
	b.done(before)
	ran := make(chan struct{}, 2)
	b.answer = func(int) (process.Outcome, error) {
		ran <- struct{}{}
		return process.Outcome{}, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error)
	go func() {
		b.r.Run(ctx)
		over <- ctx.Err()
	}()
	<-ran
	after := b.accept(2)
	b.deliver(after, entry("after"))
	b.done(after)
	b.update(func(tx *journal.Tx) error { return tx.Append(mft.Event{Kind: mft.EventDone, Transfer: after.ID}) })
	<-ran
	cancel()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v", err)
	}
	b.wants("/srv/in/before", "/srv/in/after")
}

func TestRunWithoutRulesForgets(t *testing.T) {
	b := newBench(t, mft.Exit{Phase: mft.ExitPost})
	x := b.accept(1)
	b.deliver(x, entry("a"))
	b.done(x)
	b.configure()
	b.settle(x)
	if n := b.watched(); n != 0 {
		t.Errorf("%d transfers wait for commands that are configured no more", n)
	}
}

func TestAdmit(t *testing.T) {
	offer := mft.Offer{Transfer: mft.TransferID{1}, Sender: "erp", Announced: mft.Count{Bytes: 9}}
	landing := journal.Landing{Root: "/srv", Dir: "in", Name: "x"}
	for _, c := range []struct {
		name    string
		outcome process.Outcome
		err     error
		want    mft.Code
		reason  string
	}{
		{"accepts", process.Outcome{}, nil, mft.CodeOK, ""},
		{"refuses", process.Outcome{Status: 1, Output: []byte("closed until\nMonday\xff\n")}, nil, mft.CodeExitRefused, "closed until"},
		{"refuses without a word", process.Outcome{Status: 1}, nil, mft.CodeExitRefused, "refused"},
		{"puts off", process.Outcome{Status: 75, Output: []byte("after lunch")}, nil, mft.CodeMaintenance, "after lunch"},
		{"fails", process.Outcome{Status: 2, Output: []byte("secret")}, nil, mft.CodeExit, "failed on the receiving host"},
		{"takes too long", process.Outcome{Status: 1, TimedOut: true}, nil, mft.CodeExit, ""},
		{"is not there", process.Outcome{}, errors.New("no such program"), mft.CodeExit, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, mft.Exit{Phase: mft.ExitPre}, mft.Exit{Phase: mft.ExitPost})
			b.answer = func(int) (process.Outcome, error) { return c.outcome, c.err }
			err := b.r.Admit(t.Context(), &offer, landing)
			if mft.CodeOf(err) != c.want {
				t.Fatalf("Admit = %v, want %s", err, c.want)
			}
			if err != nil && (!strings.Contains(err.Error(), c.reason) || strings.Contains(err.Error(), "secret")) {
				t.Errorf("Admit = %v", err)
			}
			b.wants("/srv/in/x")
		})
	}
}

// TestRealCommand runs a process for each file.
func TestRealCommand(t *testing.T) {
	b := newBench(t, mft.Exit{Phase: mft.ExitPost, Run: []string{os.Args[0], mark, "{fileName}"}, Directory: t.TempDir()})
	b.r.run = process.Run
	x := b.accept(1)
	b.deliver(x, entry("a b.csv"))
	b.done(x)
	b.settle(x)
	if codes, details := b.events(x, mft.EventExitEnded); len(codes) != 1 || !codes[0].OK() || !strings.Contains(details, "read a b.csv") {
		t.Errorf("events %q: %s", codes, details)
	}
}

func TestNewRefusesAUserThatIsNotThere(t *testing.T) {
	list := []mft.Exit{{Phase: mft.ExitPost, Run: []string{"/opt/x"}, User: "no-such-user-of-mft"}}
	if _, err := New(Config{Exits: list, Log: slog.New(slog.DiscardHandler)}); mft.CodeOf(err) != mft.CodeConfig {
		t.Errorf("New = %v", err)
	}
}
