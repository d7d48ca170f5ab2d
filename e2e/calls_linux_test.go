package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
)

// TestEveryCall strikes at each system call that changes a file during the
// delivery of five files, two of them in a new directory: at each one in a new
// delivery, until a delivery has fewer calls than that. Whatever was struck,
// each file appears once, whole, the directory with all that is in it, and
// both ends end up with a transfer that is done.
func TestEveryCall(t *testing.T) {
	needs(t, canTrace, "the tracer does not know this machine")
	for _, tt := range []struct {
		name     string
		receiver bool // which end is struck
		strike   strike
		errno    syscall.Errno
		match    string
		take     bool
	}{
		{name: "kill the receiver", receiver: true, strike: strikeKill},
		{name: "kill the receiver, files taken away", receiver: true, strike: strikeKill, take: true},
		{name: "kill the sender", strike: strikeKill},
		{name: "fail at the receiver", receiver: true, strike: strikeFail, errno: syscall.EIO},
		{name: "fail at the sender", strike: strikeFail, errno: syscall.EIO},
		{name: "lie to the receiver", receiver: true, strike: strikeLie, errno: syscall.EIO},
		{name: "lie to the receiver, files taken away", receiver: true, strike: strikeLie, errno: syscall.EIO, take: true},
		{name: "lie to the sender", strike: strikeLie, errno: syscall.EIO},
		{name: "disk full at the receiver", receiver: true, strike: strikeFail, errno: syscall.ENOSPC, match: "write"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			alpha, beta := newPair(t)
			d := &delivery{
				t: t, rnd: chance(t), from: alpha, to: beta, struck: alpha,
				spec: tracing{Strike: tt.strike, Errno: int(tt.errno), Match: tt.match},
			}
			if tt.receiver {
				d.struck = beta
			}
			d.ledger, d.make = newLedger(), d.tree
			d.strikeAll(sample(9, 1), tt.take)
		})
	}
}

// A delivery sends one small tree after the other from one host to another,
// and strikes one of the agents while it does.
type delivery struct {
	t        *testing.T
	rnd      *rand.Rand
	from, to *host
	struck   *host
	spec     tracing
	ledger   *ledger
	// make makes what delivery n sends and returns its path; before is
	// called while nothing is struck yet, and like after may be nil.
	make   func(n int) string
	before func(n int)
	after  func(id mft.TransferID) // both ends are done, and may still be struck
	// dead is called when the struck agent has died, and may be nil.
	dead func(*host)
	// arrived is called when everything has, and may be nil.
	arrived func()
	folder  string   // that the agents share, if they do
	flags   []string // of the command
	log     string   // of the latest tracing
	// unsettled counts deliveries that came to no end; a few say enough.
	unsettled int
}

// under is where calls are struck.
func (d *delivery) under() []string {
	under := []string{d.struck.Data(), d.struck.In()}
	if d.folder != "" {
		under = append(under, d.folder)
	}
	return under
}

// explain shows the latest calls.
func (d *delivery) explain() {
	lines, err := readTrace(d.log)
	if err != nil {
		d.t.Error(err)
	}
	struck := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, " <- ") })
	d.t.Logf("the calls of %s:\n%s", d.struck.Name, strings.Join(lines[max(0, struck-10):], "\n"))
}

// strikeAll makes delivery after delivery, each struck so many calls later, until
// one has fewer calls than that, and holds what has arrived against what was
// sent. With take files are taken away as they arrive.
func (d *delivery) strikeAll(stride int, take bool) {
	d.t.Helper()
	c := consume(d.t, d.to.In(), filepath.Join(d.to.Dir, "kept"), take)
	first := 1 + d.rnd.IntN(stride)
	n := first
	for d.strikeAt(n) && d.unsettled < 3 {
		n += stride
	}
	if err := c.awaitArrived(d.ledger.len()); err != nil {
		d.t.Error(err)
	}
	if d.arrived != nil {
		d.arrived()
	}
	c.verdict(d.ledger)
	d.t.Logf("struck at every call from %d to %d in steps of %d", first, n-stride, stride)
}

// strikeAt makes one delivery during which the agent is struck at call n, and
// reports whether there was such a call.
func (d *delivery) strikeAt(n int) bool {
	d.t.Helper()
	spec := d.spec
	spec.At = n
	spec.Under = d.under()
	spec.Log = filepath.Join(d.struck.Dir, fmt.Sprintf("calls-%04d", n))
	spec.Arm = spec.Log + ".armed"
	d.log = spec.Log
	if d.before != nil {
		d.before(n)
	}
	_ = d.struck.Stop() // it may be struck, or recover from it, at this moment
	if d.dead != nil {
		d.dead(d.struck)
	}
	if err := d.struck.launch(&spec); err != nil {
		d.t.Fatal(err)
	}
	d.struck.await()
	if err := os.WriteFile(spec.Arm, nil, 0o600); err != nil {
		d.t.Fatal(err)
	}

	keepUp := d.keepUp(n)
	give := order
	if d.struck == d.from && d.spec.Strike != strikeKill {
		give = insist
	}
	id, err := give(d.from, d.to, d.make(n), d.flags...)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, h := range []*host{d.from, d.to} {
		tr, err := h.watch(id, func(tr localapi.Transfer) bool { return tr.State.Terminal() })
		if err != nil {
			d.unsettled++
			d.t.Errorf("call %d struck: %v", n, err)
			d.explain()
			d.struck.Kill() // and go on with the next call
		} else if tr.State != mft.StateDone {
			d.t.Errorf("%s: call %d struck: transfer %s ended as %s: %+v", h.Name, n, id, tr.State, tr.Reason)
			d.explain()
		}
	}
	if d.after != nil {
		d.after(id)
	}
	keepUp()

	lines, err := readTrace(spec.Log)
	if err != nil {
		d.t.Fatal(err)
	}
	return slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, " <- ") })
}

// tree makes the files of delivery n, and names what is in their directory: an
// empty file, a small one and one that is flushed by itself go to their names
// one by one, and one in a directory of its own goes there with that.
func (d *delivery) tree(n int) string {
	top := filepath.Join(d.from.Out(), fmt.Sprintf("call%04d", n))
	for name, size := range map[string]int64{".empty": 0, ".small": 5000, ".big": 600 << 10, ".dir/sub/small": 4000, ".dir/big": 300 << 10} {
		rel := fmt.Sprintf("%04d", n) + name
		if err := os.MkdirAll(filepath.Dir(filepath.Join(top, rel)), 0o755); err != nil {
			d.t.Fatal(err)
		}
		d.ledger.add(rel, fill(d.t, filepath.Join(top, rel), size, d.rnd))
	}
	return top + "/"
}

// keepUp starts the struck agent again whenever it has died, until the
// function it returns is called. Now and then it lets it die once more while
// it recovers.
func (d *delivery) keepUp(n int) (end func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	twice := d.spec.Strike == strikeKill && d.rnd.IntN(3) == 0
	at := 1 + d.rnd.IntN(40)
	go func() {
		defer close(stopped)
		for {
			select {
			case <-d.struck.Running().Ended():
			case <-stop:
				return
			}
			d.struck.Kill() // it is dead: take note of it
			if d.dead != nil {
				d.dead(d.struck)
			}
			var again *tracing
			if twice {
				again = &tracing{
					Under: d.under(),
					Log:   filepath.Join(d.struck.Dir, fmt.Sprintf("calls-%04d-again", n)), Strike: strikeKill, At: at,
				}
			}
			twice = false
			if err := d.struck.launch(again); err != nil {
				d.t.Error(err)
				return
			}
		}
	}()
	return func() {
		close(stop)
		select {
		case <-stopped:
		case <-time.After(*patience):
			d.t.Error("the agent could not be kept running")
		}
	}
}
