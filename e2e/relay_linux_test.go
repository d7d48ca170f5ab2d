package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pinOf finds the pin in what `mft key show` says.
var pinOf = regexp.MustCompile(`mft1:\S+`)

// newApart returns two hosts whose agents run, know each other by what their
// operators wrote down, and have nothing but a folder in common.
func newApart(t testing.TB) (alpha, beta *host, f *folder) {
	t.Helper()
	alpha, beta = newHost(t, "alpha"), newHost(t, "beta")
	f = &folder{t: t, path: filepath.Join(t.TempDir(), "exchange")}
	if err := os.Mkdir(f.path, 0o755); err != nil {
		t.Fatal(err)
	}
	exchange := fmt.Sprintf("exchange: {dir: {path: %q}}\n", f.path)
	pins := map[*host]string{}
	for _, h := range []*host{alpha, beta} {
		h.configure(exchange)
		h.mft("exchange", "setup")
		h.start()
		pins[h] = pinOf.FindString(h.mft("key", "show"))
		h.stop()
	}
	for h, peer := range map[*host]*host{alpha: beta, beta: alpha} {
		h.configure(exchange + fmt.Sprintf("peers: {%s: {pin: %q, path: relay}}\nallow: {files_from: [{agent: %s, into: %q}]}\n",
			peer.Name, pins[peer], peer.Name, h.In()))
		h.start()
	}
	return alpha, beta, f
}

// A folder is what two agents share, as whoever runs the storage sees it.
type folder struct {
	t    testing.TB
	path string
}

// leased is the name of a letter that somebody holds, or that waits to be taken
// again; see package exchange/dir.
var leased = regexp.MustCompile(`^(l-[0-9a-f]{12}-[0-9a-f]{32}-[0-9a-f]{4}-)([0-9a-f]{12})(-[0-9a-f]{32})$`)

// lapse ends leases of letters to an agent that end within a time, as if that had
// passed already: what a test cannot do is wait.
func (f *folder) lapse(agent string, within time.Duration) {
	queue := filepath.Join(f.path, agent, "queue")
	entries, err := os.ReadDir(queue)
	if err != nil {
		f.t.Error(err)
	}
	for _, e := range entries {
		m := leased.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		until, err := strconv.ParseInt(m[2], 16, 64)
		if err != nil || until == 0 || until > time.Now().Add(within).UnixMilli() {
			continue
		}
		to := filepath.Join(queue, m[1]+strings.Repeat("0", 12)+m[3])
		if err := os.Rename(filepath.Join(queue, e.Name()), to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.t.Error(err)
		}
	}
}

// dead ends the leases of an agent that has died.
func (f *folder) dead(h *host) { f.lapse(h.Name, time.Hour) }

// hurry has letters come again soon that could not be dealt with at first, until
// the function it returns is called. It takes none from an agent that holds it:
// such a lease never has less than a minute left.
func (f *folder) hurry(hosts ...*host) (end func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-stop:
				return
			}
			for _, h := range hosts {
				f.lapse(h.Name, 45*time.Second)
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

// left returns what lies in the folder beside the keys of the agents, and what
// the agents keep for transfers.
func (f *folder) left(hosts ...*host) (left []string) {
	dirs := []string{f.path}
	for _, h := range hosts {
		dirs = append(dirs, filepath.Join(h.Data(), "relay"))
	}
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return err
			case d.IsDir() && !strings.HasPrefix(d.Name(), "o-"), d.Name() == "instance", strings.Contains(path, "/keys/"):
				return nil
			}
			left = append(left, path)
			return nil
		})
		if err != nil {
			f.t.Error(err)
		}
	}
	return left
}

// old makes what is not finished in the folder an hour older: before that it may
// be that somebody is still at it.
func (f *folder) old() {
	for _, pattern := range []string{"*/temporary/t-*", "*/queue/t-*"} {
		left, err := filepath.Glob(filepath.Join(f.path, pattern))
		if err != nil {
			f.t.Error(err)
		}
		then := time.Now().Add(-2 * time.Hour)
		for _, path := range left {
			if err := os.Chtimes(path, then, then); err != nil && !errors.Is(err, fs.ErrNotExist) {
				f.t.Error(err)
			}
		}
	}
}

// swept starts the agents once more, which then sweep, and checks that nothing is
// left of any transfer: no letter, object, block, grant, claim, nor a letter that
// was put aside.
func (f *folder) swept(t *testing.T, hosts ...*host) {
	t.Helper()
	var left []string
	for range 20 { // one sweep removes so much and no more
		for _, h := range hosts {
			_ = h.Stop() // it may have been struck
			f.dead(h)
		}
		f.old()
		for _, h := range hosts {
			h.start()
		}
		tick := time.NewTicker(50 * time.Millisecond)
		for range 60 {
			if left = f.left(hosts...); len(left) == 0 {
				tick.Stop()
				return
			}
			<-tick.C
		}
		tick.Stop()
	}
	t.Errorf("%d files are left in the exchange, or of it: %s", len(left), strings.Join(left[:min(10, len(left))], " "))
}

// TestRelayKills kills agents at random moments while files stream from one to
// the other through a folder. Afterwards every file has appeared exactly once and
// whole, every transfer is done at both ends, and nothing is left behind.
func TestRelayKills(t *testing.T) {
	orders, kills := sample(30, 300), sample(8, 80)
	if *long {
		orders, kills = 2000, 500
	}
	rnd := chance(t)
	alpha, beta, f := newApart(t)
	c := consume(t, beta.In(), filepath.Join(beta.Dir, "kept"), false)
	s := &stream{
		from: alpha, to: beta, consumer: c, most: orders,
		producer: &producer{t: t, dir: alpha.Out(), ledger: newLedger(), rnd: rand.New(rand.NewPCG(rnd.Uint64(), 1)), big: 20 << 20},
	}
	calm := f.hurry(alpha, beta)
	defer calm()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.flow(ctx) }()
	killed := 0
	flowing := true
	for flowing {
		n := 4
		killAtRandom(t, rnd, n, f.dead, alpha, beta)
		killed += n
		select {
		case err := <-ended:
			flowing = false
			if err != nil {
				t.Error(err)
			}
		default:
		}
		if killed >= kills && flowing { // let it come to its end
			if err := <-ended; err != nil {
				t.Error(err)
			}
			flowing = false
		}
	}
	s.settle(t)
	f.swept(t, alpha, beta)
	c.verdict(s.producer.ledger)
	t.Logf("%d transfers, %d kills", len(s.orders), killed)
}

// TestRelayEveryCall kills agents at each system call that changes a file during
// the delivery of five files through a folder; see TestEveryCall.
func TestRelayEveryCall(t *testing.T) {
	needs(t, canTrace, "the tracer does not know this machine")
	for _, tt := range []struct {
		name     string
		receiver bool
	}{
		{name: "kill the receiver", receiver: true},
		{name: "kill the sender"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			alpha, beta, f := newApart(t)
			d := &delivery{
				t: t, rnd: chance(t), from: alpha, to: beta, struck: alpha, spec: tracing{Strike: strikeKill}, dead: f.dead, folder: f.path,
			}
			if tt.receiver {
				d.struck = beta
			}
			d.ledger, d.make = newLedger(), d.tree
			d.arrived = func() { f.swept(t, alpha, beta) }
			calm := f.hurry(alpha, beta)
			defer calm()
			d.strikeAll(sample(45, 2), false)
		})
	}
}
