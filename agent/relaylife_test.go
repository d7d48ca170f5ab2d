package agent_test

import (
	"context"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/order"
	"mft.dev/mft/exchange"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
)

// A calendar is a clock of agents that a test turns.
type calendar struct {
	mu   sync.Mutex
	past time.Duration
}

func (c *calendar) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.past)
}

func (c *calendar) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.past += d
}

// A forgetful reader is of storage in which grants end by the calendar.
type forgetful struct {
	exchange.Reader
	exchange.Container
	c      *calendar
	mu     *sync.Mutex
	grants map[string]time.Time
}

func (f forgetful) Grant(ctx context.Context, name string, life time.Duration) (exchange.Grant, error) {
	g, err := f.Container.Grant(ctx, name, life)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.grants[g.Ref] = f.c.now().Add(life)
	return g, err
}

func (f forgetful) Read(ctx context.Context, ref string, offset int64, p []byte) error {
	f.mu.Lock()
	until, ok := f.grants[ref]
	f.mu.Unlock()
	if ok && f.c.now().After(until) {
		return mft.Fail(mft.CodeExpired, "read object", "", nil)
	}
	return f.Reader.Read(ctx, ref, offset, p)
}

// dated makes hosts that live by a calendar, and so do the grants.
func dated(t *testing.T) (alpha, beta *host, folder string, c *calendar) {
	alpha, beta, folder = apart(t)
	c = &calendar{}
	grants := map[string]time.Time{}
	mu := new(sync.Mutex)
	for _, h := range []*host{alpha, beta} {
		x := *h.exchange
		f := forgetful{x.Reader, x.Container, c, mu, grants}
		x.Reader, x.Container = f, f
		h.exchange, h.now, h.letters = &x, c.now, soonest
	}
	return alpha, beta, folder, c
}

// TestRelayWeekAway: an agent that is away for a week loses nothing, whatever it
// was at when it went.
func TestRelayWeekAway(t *testing.T) {
	const week = 7 * 24 * time.Hour
	for _, c := range []struct {
		name, call string
		n          int
		before     bool
	}{
		{"before it heard of anything", "", 0, false},
		{"with the offer in its hand", "put", 1, true},
		{"when it had agreed", "put", 1, false},
		{"in the middle of reading", "read", 2, true},
		{"with the receipt in its hand", "put", 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			alpha, beta, folder, days := dated(t)
			held := tapped(beta)
			beta.start()
			keys := filepath.Join(folder, "beta", "keys")
			beta.until("its key", func() bool { return len(tree(t, keys)) > 0 }, func() any { return tree(t, keys) })
			if c.call == "" {
				beta.stop()
			} else {
				held.at(c.call, c.n, c.before)
			}
			alpha.start()
			write(t, alpha.out, "d/a", "1")
			big(t, alpha.out, "d/big", 20<<20)
			var ids []mft.TransferID
			ids = append(ids, alpha.copyTo(beta, beta.in+"/", "", filepath.Join(alpha.out, "d")))
			if c.call != "" {
				<-held.hit
				beta.stop()
			}
			held.open()
			ids = append(ids, alpha.copyTo(beta, beta.in+"/later/", "", write(t, alpha.out, "b", "2")))
			for _, id := range ids {
				alpha.awaitIf(id, func(t mft.Transfer) bool { return t.Reason.Code == mft.CodeRelayed })
			}
			for range 7 { // its peer does not stop, and tells it again
				days.pass(week / 7)
				for _, id := range ids {
					if _, err := alpha.agent.Resume(t.Context(), id); err != nil {
						t.Errorf("Resume: %v", err)
					}
				}
			}
			beta.start()
			for _, id := range ids {
				alpha.await(id, mft.StateDone)
				beta.await(id, mft.StateDone)
				if got := strings.Count(beta.kinds(id), "delivered"); got != 1 {
					t.Errorf("delivered %d times: %s", got, beta.kinds(id))
				}
			}
			want := tree(t, alpha.out)
			want["later/"], want["later/b"] = "", want["b"]
			delete(want, "b")
			if got := tree(t, beta.in); !maps.Equal(want, got) {
				t.Errorf("delivered %d names, want %d", len(got), len(want))
			}
			alpha.until("the folder", func() bool { return len(leftIn(t, folder)) == 0 }, func() any { return leftIn(t, folder) })
		})
	}
}

// TestRelayForgotten: a letter that is put again when all that is known of its
// transfer has been forgotten delivers nothing: its life has ended long before.
// One that is put again before that meets what is known.
func TestRelayForgotten(t *testing.T) {
	alpha, beta, folder, days := dated(t)
	taps := map[*host]*tap{alpha: tapped(alpha), beta: tapped(beta)}
	alpha.start()
	beta.start()
	write(t, alpha.out, "a", "1")
	id := alpha.copyTo(beta, beta.in+"/", mft.OverwriteReplace, filepath.Join(alpha.out, "a"))
	into := t.TempDir()
	asked, err := beta.agent.Request(t.Context(), order.Request{Agent: "alpha", Path: alpha.out + "/a", Into: into + "/"})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []*host{alpha, beta} {
		h.await(id, mft.StateDone)
		h.await(asked, mft.StateDone)
	}
	empty := func() {
		alpha.until("the folder", func() bool { return len(leftIn(t, folder)) == 0 }, func() any { return leftIn(t, folder) })
	}
	empty()
	then := filesOf(t, beta.in)
	again := func() {
		for _, w := range taps {
			w.mu.Lock()
			sent, to := w.sent, w.to
			w.mu.Unlock()
			for i, body := range sent {
				if err := w.Queue.Put(t.Context(), to[i], body); err != nil {
					t.Fatal(err)
				}
			}
		}
		empty()
		for path, fi := range filesOf(t, beta.in) {
			if old := then[path]; old == nil || !old.ModTime().Equal(fi.ModTime()) {
				t.Errorf("%s was delivered again", path)
			}
		}
	}
	days.pass(protocol.MaxLifetime - time.Hour)
	again()
	for _, h := range []*host{alpha, beta} {
		if got := len(h.list(journal.Filter{Limit: 10})); got != 2 {
			t.Errorf("%s knows %d transfers, want 2", h.conf.Agent.Name, got)
		}
	}
	// Rows are forgotten 90 days after their end at the soonest (package upkeep);
	// here at once when the letters have ended.
	days.pass(2 * time.Hour)
	for _, h := range []*host{alpha, beta} {
		h.stop()
		j, err := journal.Open(t.Context(), filepath.Join(h.conf.Agent.DataDir, "journal.db"))
		if err != nil {
			t.Fatal(err)
		}
		err = j.Update(t.Context(), func(tx *journal.Tx) error {
			n, err := tx.Forget(days.now().Add(-protocol.MaxLifetime), 0)
			if n != 2 {
				t.Errorf("%s has forgotten %d transfers, want 2", h.conf.Agent.Name, n)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		h.start()
	}
	again()
	for _, h := range []*host{alpha, beta} {
		if got := h.list(journal.Filter{Limit: 10}); len(got) != 0 {
			t.Errorf("%s has begun again: %+v", h.conf.Agent.Name, got)
		}
	}
}

// TestRelayPoison: letters that cannot be dealt with are put aside, each once, with
// a reason that has a code, and hold up nobody.
func TestRelayPoison(t *testing.T) {
	const poison = 60
	alpha, beta, folder, _ := dated(t)
	for _, h := range []*host{alpha, beta} {
		h.letters.Lease = 0 // a letter whose lease ends while it is put aside comes again
	}
	q := tapped(alpha)
	alpha.start()
	beta.start()
	var ids []mft.TransferID
	for i := range poison {
		body := []byte(strings.Repeat("AQ", i+20)) // of a version that there is, to nobody
		if i%2 == 0 {
			body = []byte("what nobody has sealed")
		}
		if err := q.Queue.Put(t.Context(), "beta", body); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			ids = append(ids, alpha.copyTo(beta, beta.in+"/", mft.OverwriteReplace, write(t, alpha.out, "a", "1")))
		}
	}
	for _, id := range ids {
		alpha.await(id, mft.StateDone)
	}
	alpha.until("the folder", func() bool { return len(leftIn(t, folder)) == 0 }, func() any { return leftIn(t, folder) })
	reasons := 0
	for name, content := range tree(t, filepath.Join(beta.conf.Agent.DataDir, "relay", "aside")) {
		if strings.HasSuffix(name, ".reason") {
			reasons++
			if !inside.MatchString(content) {
				t.Errorf("a reason without a code: %q", content)
			}
		}
	}
	if reasons != poison {
		t.Errorf("%d letters were put aside, want %d", reasons, poison)
	}
}

// A slow queue has what it put answered before it says that it has put it.
type slowQueue struct {
	exchange.Queue
	answered func()
}

func (q slowQueue) Put(ctx context.Context, to mft.AgentName, body []byte) error {
	err := q.Queue.Put(ctx, to, body)
	q.answered()
	return err
}

// TestRelayAnsweredEarly: an answer that is there before the attempt that it
// answers has ended is not waited for any more.
func TestRelayAnsweredEarly(t *testing.T) {
	alpha, beta, _, _ := dated(t)
	alpha.conf.Agent.MaxTransfers = 1 // nobody else sees that it is queued again
	x := *alpha.exchange
	var id mft.TransferID
	got := make(chan mft.TransferID, 1)
	x.Queue = slowQueue{x.Queue, func() {
		if id == (mft.TransferID{}) {
			id = <-got
		}
		file := filepath.Join(alpha.conf.Agent.DataDir, "relay", id.String())
		began := alpha.agent
		alpha.until("an answer", func() bool {
			kept := tree(t, filepath.Dir(file))
			_, decided := kept[filepath.Base(file)+".decision"]
			_, received := kept[filepath.Base(file)+".receipt"]
			_, published := kept[filepath.Base(file)+".ledger"]
			return began == nil || received || decided && !(published && strings.Contains(beta.kinds(id), "delivered"))
		}, func() any { return tree(t, filepath.Dir(file)) })
	}}
	alpha.exchange = &x
	alpha.start()
	beta.start()
	id2 := alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, "a", "1"))
	got <- id2
	alpha.await(id2, mft.StateDone)
}
