package agent_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/order"
	"mft.dev/mft/exchange"
)

// A tap is an exchange that stops at a call, keeps copies of letters, or puts
// each twice, as it is told.
type tap struct {
	exchange.Exchange

	mu     sync.Mutex
	stopAt string        // "put", "stage", "publish" or "read"
	calls  int           // how many of those may pass
	before bool          // stop before the call has its effect, not after
	hit    chan struct{} // closed when it stopped
	twice  bool
	tired  bool // letters come as if taken often
	sent   [][]byte
	to     []mft.AgentName
}

// tapped puts a tap before the exchange of a host that does not run.
func tapped(h *host) *tap {
	w := &tap{Exchange: *h.exchange, hit: make(chan struct{})}
	x := *h.exchange
	x.Queue, x.Container, x.Reader = tapQueue{x.Queue, w}, tapContainer{x.Container, w}, tapReader{x.Reader, w}
	h.exchange = &x
	return w
}

// at has the tap stop at the n-th call.
func (w *tap) at(call string, n int, before bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopAt, w.calls, w.before, w.hit = call, n-1, before, make(chan struct{})
}

// open lets everything pass.
func (w *tap) open() { w.at("", 0, false) }

// pass makes a call, or blocks until ctx ends.
func (w *tap) pass(ctx context.Context, call string, do func() error) error {
	w.mu.Lock()
	stop, before, hit := false, w.before, w.hit
	if call == w.stopAt {
		stop = w.calls <= 0
		w.calls--
	}
	w.mu.Unlock()
	if !stop {
		return do()
	}
	if !before {
		if err := do(); err != nil {
			return err
		}
	}
	w.mu.Lock()
	select {
	case <-hit:
	default:
		close(hit)
	}
	w.mu.Unlock()
	<-ctx.Done()
	return mft.Fail(mft.CodeDisconnected, call, "", ctx.Err())
}

type tapQueue struct {
	exchange.Queue
	w *tap
}

func (q tapQueue) Put(ctx context.Context, to mft.AgentName, body []byte) error {
	q.w.mu.Lock()
	q.w.sent, q.w.to = append(q.w.sent, bytes.Clone(body)), append(q.w.to, to)
	twice := q.w.twice
	q.w.mu.Unlock()
	if twice {
		if err := q.Queue.Put(ctx, to, body); err != nil {
			return err
		}
	}
	return q.w.pass(ctx, "put", func() error { return q.Queue.Put(ctx, to, body) })
}

// Take takes letters for a short time: a test does not wait for what an agent
// held when it stopped.
func (q tapQueue) Take(ctx context.Context, most int, _ time.Duration) ([]exchange.Letter, error) {
	letters, err := q.Queue.Take(ctx, most, 3*time.Second)
	for i := range letters {
		if q.w.tired {
			letters[i].Taken = 5
		}
	}
	return letters, err
}

type tapContainer struct {
	exchange.Container
	w *tap
}

func (c tapContainer) Stage(ctx context.Context, name string, block int, content []byte) error {
	return c.w.pass(ctx, "stage", func() error { return c.Container.Stage(ctx, name, block, content) })
}

func (c tapContainer) Publish(ctx context.Context, name string, blocks int) error {
	return c.w.pass(ctx, "publish", func() error { return c.Container.Publish(ctx, name, blocks) })
}

type tapReader struct {
	exchange.Reader
	w *tap
}

func (r tapReader) Read(ctx context.Context, ref string, offset int64, p []byte) error {
	return r.w.pass(ctx, "read", func() error { return r.Reader.Read(ctx, ref, offset, p) })
}

// deliveredOnce checks that a transfer has ended well, once.
func deliveredOnce(t *testing.T, alpha, beta *host, id mft.TransferID) {
	t.Helper()
	if got := alpha.await(id, mft.StateDone, mft.StateFailed, mft.StateRejected); got.State != mft.StateDone {
		t.Fatalf("the sender's state is %s (%+v), want done; its story: %s", got.State, got.Reason, alpha.kinds(id))
	}
	beta.await(id, mft.StateDone)
	if got := strings.Count(beta.kinds(id), "delivered"); got != 1 {
		t.Errorf("delivered %d times: %s", got, beta.kinds(id))
	}
	if want, got := tree(t, alpha.out), tree(t, beta.in); !maps.Equal(want, got) {
		t.Errorf("delivered %d names, want the %d of the source", len(got), len(want))
	}
}

// TestRelayRestart: an agent that stops anywhere on the way through the exchange
// goes on after its next start, and everything is delivered once.
func TestRelayRestart(t *testing.T) {
	for _, c := range []struct {
		name, who, call string
		n               int
		before          bool
	}{
		{"offer not posted", "alpha", "put", 1, true},
		{"offer posted, not noted", "alpha", "put", 1, false},
		{"recording", "alpha", "stage", 2, true},
		{"sealed, not published", "alpha", "publish", 1, true},
		{"published, not noted", "alpha", "publish", 1, false},
		{"published, not told", "alpha", "put", 2, true},
		{"told, not noted", "alpha", "put", 2, false},
		{"decision not posted", "beta", "put", 1, true},
		{"receiver half way", "beta", "read", 2, true},
		{"receipt not posted", "beta", "put", 2, true},
		{"receipt posted, letter not removed", "beta", "put", 2, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			alpha, beta, _ := apart(t)
			taps := map[string]*tap{"alpha": tapped(alpha), "beta": tapped(beta)}
			hosts := map[string]*host{"alpha": alpha, "beta": beta}
			write(t, alpha.out, "a", "1")
			big(t, alpha.out, "big", 20<<20)
			taps[c.who].at(c.call, c.n, c.before)
			alpha.start()
			beta.start()
			id := alpha.copyTo(beta, beta.in+"/", "", alpha.out+"/")
			select {
			case <-taps[c.who].hit:
			case <-time.After(patience):
				t.Fatalf("it did not come to that: %s", alpha.kinds(id))
			}
			hosts[c.who].stop()
			taps[c.who].open()
			hosts[c.who].start()
			deliveredOnce(t, alpha, beta, id)
		})
	}
}

// TestRelayTwice: letters that come twice, at once and long after, and letters
// that nobody can read, do no harm.
func TestRelayTwice(t *testing.T) {
	alpha, beta, folder := apart(t)
	fromAlpha, fromBeta := tapped(alpha), tapped(beta)
	fromAlpha.twice, fromBeta.twice, fromBeta.tired = true, true, true
	alpha.start()
	beta.start()
	if err := fromAlpha.Queue.Put(t.Context(), "beta", []byte("what nobody has sealed")); err != nil {
		t.Fatal(err)
	}
	write(t, alpha.out, "a", "1")
	big(t, alpha.out, "big", 1<<20)
	id := alpha.copyTo(beta, beta.in+"/", "", alpha.out+"/")
	deliveredOnce(t, alpha, beta, id)
	into := t.TempDir()
	asked, err := beta.agent.Request(t.Context(), order.Request{Agent: "alpha", Path: alpha.out + "/a", Into: into + "/"})
	if err != nil {
		t.Fatal(err)
	}
	beta.await(asked, mft.StateDone)
	alpha.await(asked, mft.StateDone)
	for _, w := range []*tap{fromAlpha, fromBeta} {
		w.mu.Lock()
		w.twice = false
		sent, to := w.sent, w.to
		w.mu.Unlock()
		for i, body := range sent {
			if err := w.Queue.Put(t.Context(), to[i], body); err != nil {
				t.Fatal(err)
			}
		}
	}
	alpha.until("the folder", func() bool { return len(leftIn(t, folder)) == 0 }, func() any { return leftIn(t, folder) })
	deliveredOnce(t, alpha, beta, id)
	if list := beta.kinds(asked); strings.Count(list, "delivered") != 1 {
		t.Errorf("what was asked for came more than once: %s", list)
	}
	aside := filepath.Join(beta.conf.Agent.DataDir, "relay", "aside")
	if got := tree(t, aside); len(got) != 2 {
		t.Errorf("put aside are %d files, want the letter and its reason", len(got))
	}
	events, err := beta.agent.Events(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, e := range events {
		if strings.Contains(e.Detail, "put aside") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("%d events tell of a letter that was put aside, want one", told)
	}
}

// TestRelayThenDirect: what lies in the exchange goes over the link as soon as
// that is up; the parcel is removed and delivers nothing.
func TestRelayThenDirect(t *testing.T) {
	alpha, beta, folder := apart(t)
	beta.start()
	keys := filepath.Join(folder, "beta", "keys")
	beta.until("its key", func() bool { return len(tree(t, keys)) > 0 }, func() any { return tree(t, keys) })
	held := tapped(beta)
	beta.stop()
	held.at("read", 1, true)
	beta.start()
	alpha.start()
	big(t, alpha.out, "big", 1<<20)
	id := alpha.copyTo(beta, beta.in+"/", "", alpha.out+"/")
	alpha.awaitIf(id, func(t mft.Transfer) bool {
		return t.State == mft.StateWaiting && t.Reason.Code == mft.CodeRelayed && strings.Contains(t.Reason.Detail, "everything")
	})
	<-held.hit
	beta.stop()
	alpha.stop()
	held.open()
	peer := beta.conf.Peers["alpha"]
	peer.Address = alpha.addr
	beta.conf.Peers["alpha"] = peer
	alpha.start()
	alpha.awaitIf(id, func(t mft.Transfer) bool { return t.Reason.Code == mft.CodeRelayed })
	beta.start()
	deliveredOnce(t, alpha, beta, id)
	alpha.until("the folder", func() bool { return len(leftIn(t, filepath.Join(folder, "alpha"))) == 0 },
		func() any { return leftIn(t, folder) })
}

// TestRelayWaits: what waits for the peer looks at no source, and needs none.
func TestRelayWaits(t *testing.T) {
	alpha, beta, folder := apart(t)
	held := tapped(beta)
	held.at("read", 1, true)
	alpha.start()
	beta.start()
	path := write(t, alpha.out, "a", "1")
	id := alpha.copyTo(beta, beta.in+"/", "", path)
	<-held.hit
	alpha.awaitIf(id, func(t mft.Transfer) bool { return t.Reason.Code == mft.CodeRelayed })
	beta.stop()
	alpha.stop()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	held.open()
	alpha.start()
	beta.start()
	alpha.await(id, mft.StateDone)
	if got := tree(t, beta.in); !maps.Equal(got, map[string]string{"a": "1"}) {
		t.Errorf("delivered %v", got)
	}
	alpha.until("the folder", func() bool { return len(leftIn(t, folder)) == 0 }, func() any { return leftIn(t, folder) })
}

// TestRelayCancelled: whichever end cancels, the other hears of it by letter,
// and nothing is left.
func TestRelayCancelled(t *testing.T) {
	for _, who := range []string{"alpha", "beta"} {
		t.Run("by "+who, func(t *testing.T) {
			t.Parallel()
			alpha, beta, folder := apart(t)
			held := tapped(beta)
			held.at("read", 1, true)
			alpha.start()
			beta.start()
			big(t, alpha.out, "big", 1<<20)
			id := alpha.copyTo(beta, beta.in+"/", "", alpha.out+"/")
			<-held.hit
			by, other := alpha, beta
			if who == "beta" {
				by, other = beta, alpha
			}
			if _, err := by.agent.Cancel(t.Context(), id); err != nil {
				t.Fatalf("Cancel: %v", err)
			}
			other.await(id, mft.StateCancelled)
			held.open()
			parcels := filepath.Join(folder, "alpha")
			alpha.until("the parcel", func() bool { return len(leftIn(t, parcels)) == 0 }, func() any { return leftIn(t, parcels) })
			if got := tree(t, beta.in); len(got) > 0 {
				t.Errorf("there is %v", got)
			}
			if again, err := alpha.agent.Retry(t.Context(), id); err != nil {
				t.Errorf("Retry: %v", err)
			} else {
				deliveredOnce(t, alpha, beta, again.ID)
			}
		})
	}
}

// TestRelayOldVersion: a parcel is not asked about the old version of a file.
func TestRelayOldVersion(t *testing.T) {
	alpha, beta, _ := apart(t)
	alpha.start()
	beta.start()
	old := big(t, beta.in, "big", 2<<20)
	if err := os.Chtimes(old, time.Unix(1_000_000_000, 0), time.Unix(1_000_000_000, 0)); err != nil {
		t.Fatal(err)
	}
	path := big(t, alpha.out, "big", 2<<20)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte("changed"), 1<<20)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	deliveredOnce(t, alpha, beta, alpha.copyTo(beta, beta.in+"/", "", path))
}

// TestPaths: a peer whose path is relay is not dialled, and one whose path is
// direct not written to.
func TestPaths(t *testing.T) {
	for _, c := range []struct {
		name string
		path mft.Path
		said string
	}{
		{"relay", mft.PathRelay, "through the exchange"},
		{"auto", mft.PathAuto, "over the direct link"},
		{"direct", mft.PathDirect, "over the direct link"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			alpha, beta, _ := apart(t)
			peer := alpha.conf.Peers["beta"]
			peer.Address, peer.Path = beta.addr, c.path
			alpha.conf.Peers["beta"] = peer
			beta.start()
			alpha.start()
			write(t, alpha.out, "a", "1")
			to := order.Destination{Agent: "beta", Path: beta.in + "/"}
			placed, err := alpha.agent.Copy(t.Context(), []string{alpha.out + "/"}, []order.Destination{to})
			if err != nil || placed[0].Err != nil {
				t.Fatalf("Copy = %+v, %v", placed, err)
			}
			got := alpha.await(placed[0].Transfer, mft.StateDone)
			events, err := alpha.agent.TransferEvents(t.Context(), got.ID)
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, e := range events {
				found = found || strings.Contains(e.Detail, c.said)
			}
			if !found {
				t.Errorf("no event says %q: %+v", c.said, events)
			}
			s, err := alpha.agent.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if up := s.Peers[0].Link.Connected; up != (c.path != mft.PathRelay) {
				t.Errorf("the link is up: %v", up)
			}
		})
	}
}
