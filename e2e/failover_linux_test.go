package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/agent/localapi/channel"
)

// TestFailover loses the active node of a server group while a run to it is under way, of
// which some transfers are done and one is half way. The run goes on at the other node,
// and says so; each file is there once and whole, at the one node or the other; and
// the return of the first one changes nothing. Each way to lose it takes minutes of waiting:
// with -long each is tried on every kind of group, else on one.
func TestFailover(t *testing.T) {
	for i, tt := range []struct {
		name       string
		lose, back func(c *cluster)
	}{
		{
			"killed",
			func(c *cluster) { c.hosts[1].Kill() },
			func(c *cluster) { c.hosts[1].start() },
		},
		{
			"apart",
			func(c *cluster) { c.part(0, 1); c.part(1, 0) },
			func(c *cluster) { c.join(0, 1); c.join(1, 0) },
		},
		{
			"loss to it",
			func(c *cluster) { c.part(0, 1) },
			func(c *cluster) { c.join(0, 1) },
		},
		{
			"loss from it",
			func(c *cluster) { c.part(1, 0) },
			func(c *cluster) { c.join(1, 0) },
		},
	} {
		groups := []string{"probe", "marker", "shared"}
		if !*long {
			groups = groups[i%len(groups):][:1]
		}
		for _, by := range groups {
			t.Run(tt.name+"/"+by, func(t *testing.T) {
				t.Parallel()
				c := newCluster(t, by)
				c.halfWay()
				tt.lose(c)
				c.mark(2)
				c.follows()
				c.unmark(1)
				tt.back(c)
				c.isAsBefore()
				c.verdict(true)
			})
		}
	}
}

// TestHandOver moves the marker from one node to the other during a run, and back.
func TestHandOver(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "marker")
	c.halfWay()
	c.mark(2) // both are active
	c.await("its transfers are held", func() bool {
		return !slices.ContainsFunc(c.sent(), func(tr localapi.Transfer) bool { return !tr.State.Terminal() && tr.State != mft.StatePaused })
	})
	c.unmark(1)
	c.follows()
	c.isAsBefore()
	c.verdict(false)
}

// A cluster is a host with a channel to a group of two others.
type cluster struct {
	*town
	*producer
	t         *testing.T
	by        string
	seat      string
	consumers []*consumer
}

// newCluster makes one, the active member of whose group is found in a way. Each member has
// its directories at the same path, which is the same directory only if they are shared.
// What alpha sends moves slowly.
func newCluster(t *testing.T, by string) *cluster {
	t.Helper()
	rnd := chance(t)
	c := &cluster{town: newTown(t, "alpha", "one", "two"), t: t, by: by, seat: filepath.Join(t.TempDir(), "seat")}
	alpha := c.hosts[0]
	c.producer = &producer{t: t, dir: alpha.Out(), ledger: newLedger(), rnd: rnd}
	alpha.slow()
	shared := by == "shared"
	grant := fmt.Sprintf("{agent: alpha, into: %q}", c.seat)
	group := "{members: [one, two], active: probe, after: 2s}"
	if by == "marker" {
		group = fmt.Sprintf("{members: [one, two], active: marker, marker: %q}", filepath.Join(c.seat, "active"))
		grant = fmt.Sprintf("{agent: alpha, into: %q, markers: {active: %q}}", filepath.Join(c.seat, "in"), filepath.Join(c.seat, "active"))
	}
	alpha.configure(fmt.Sprintf(`
groups: {pair: %s}
channels:
  - name: stream
    from: {agent: alpha, path: %q}
    to: [{group: pair, path: %q}]
    when: {arrival: {stable: 50ms, rescan: 2s}}
    select: {exclude: [".new-*", ".new-*/**"]}
`, group, alpha.Out(), filepath.Join(c.seat, "in")))
	if err := os.MkdirAll(filepath.Join(c.seat, "in"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, h := range c.hosts[1:] {
		at := c.seat
		if !shared {
			h.own, h.seat = filepath.Join(h.Dir, "own"), c.seat
			if at = h.own; os.MkdirAll(filepath.Join(at, "in"), 0o755) != nil {
				t.Fatal("no directory for", h.Name)
			}
		}
		if !shared || len(c.consumers) == 0 {
			c.consumers = append(c.consumers, consume(t, filepath.Join(at, "in"), filepath.Join(h.Dir, "kept"), false))
		}
		h.configure(fmt.Sprintf("allow: {files_from: [%s]}", grant))
	}
	c.mark(1)
	for i, h := range c.hosts {
		if h.start(); i > 0 {
			pair(alpha, h, h.Addr)
		}
	}
	return c
}

// slow has packets of the host leave slowly: about 5 MB/s.
func (h *host) slow() {
	h.t.Helper()
	if out, err := h.space.command("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "40mbit", "burst", "64kb", "latency", "400ms").CombinedOutput(); err != nil {
		needs(h.t.(*testing.T), false, fmt.Sprintf("tc cannot make the network slow: %v: %s", err, out))
	}
}

// mark makes the marker of a member, if there are markers, and unmark removes it.
func (c *cluster) mark(i int) {
	c.t.Helper()
	if c.by != "marker" {
		return
	}
	if err := os.WriteFile(filepath.Join(c.hosts[i].own, "active"), nil, 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) unmark(i int) {
	c.t.Helper()
	if c.by != "marker" {
		return
	}
	if err := os.Remove(filepath.Join(c.hosts[i].own, "active")); err != nil {
		c.t.Fatal(err)
	}
}

// sent returns the transfers of the sender.
func (c *cluster) sent() []localapi.Transfer {
	c.t.Helper()
	all, err := c.hosts[0].transfers()
	if err != nil {
		c.t.Fatal(err)
	}
	return all
}

// halfWay makes files, and returns when a run has delivered some of them and one is half
// way.
func (c *cluster) halfWay() {
	c.t.Helper()
	c.make("big", 48<<20)
	half := func() bool {
		return slices.ContainsFunc(c.sent(), func(tr localapi.Transfer) bool {
			return tr.Peer == "one" && tr.State == mft.StateRunning && tr.Moved.Bytes > 4<<20
		})
	}
	c.await("the big one is half way", half)
	for i := range 3 {
		c.make(fmt.Sprintf("small%d", i), 1000)
		c.await("it is done", func() bool {
			n := 0
			for _, tr := range c.sent() {
				if tr.State == mft.StateDone {
					n++
				}
			}
			return n > i
		})
	}
	if !half() {
		c.t.Fatal("the big one is done already")
	}
}

// follows waits until the run, which is the only one, has ended at the other node, and looks
// at what is said of it.
func (c *cluster) follows() {
	c.t.Helper()
	alpha := c.hosts[0]
	var runs []channel.Run
	c.await("the run ends", func() bool {
		if err := json.Unmarshal([]byte(alpha.mft("channel", "history", "stream", "--json")), &runs); err != nil {
			c.t.Fatal(err)
		}
		return len(runs) > 0 && !runs[0].Ended.IsZero()
	})
	if len(runs) != 1 || !runs[0].Code.OK() || !strings.Contains(string(runs[0].Detail), "1 of its transfers followed a fail-over") {
		c.t.Errorf("the runs are %+v", runs)
	}
	var left, next int
	for _, tr := range c.sent() {
		switch {
		case tr.Peer == "one" && tr.State == mft.StateCancelled:
			left++
			if tr.Reason == nil || tr.Reason.Code != mft.CodeFailedOver {
				c.t.Errorf("a transfer to the first ended with %+v", tr.Reason)
			}
		case tr.Peer == "two" && tr.State == mft.StateDone:
			next++
		case tr.State != mft.StateDone:
			c.t.Errorf("a transfer is left over: %+v", tr)
		}
	}
	if left != 1 || next != 1 {
		c.t.Errorf("%d transfers were left and %d made instead, want one of each", left, next)
	}
	if said := alpha.mft("trace", "big"); !strings.Contains(said, "FAILED_OVER") || !strings.Contains(said, "two") {
		c.t.Errorf("the trace does not tell of the fail-over:\n%s", said)
	}
}

// isAsBefore sends one more file, which goes to the second node, and waits until both nodes
// are done with everything: the first one has put away what it had of the transfer that was left.
func (c *cluster) isAsBefore() {
	c.t.Helper()
	at := c.consumers[len(c.consumers)-1]
	n, _ := at.arrived()
	c.make("late", 1000)
	if err := at.awaitArrived(n + 1); err != nil {
		c.t.Fatal(err)
	}
	for i, h := range c.hosts[1:] {
		c.await("nothing is open at "+string(h.Name), func() bool {
			all, err := h.transfers()
			return err == nil && !slices.ContainsFunc(all, func(tr localapi.Transfer) bool { return !tr.State.Terminal() })
		})
		at := c.consumers[min(i, len(c.consumers)-1)]
		c.await("nothing is left at "+string(h.Name), func() bool { return len(staging(c.t, at.root)) == 0 })
	}
}

// verdict looks at what has arrived. With lost, the receipt of a file may have been
// lost with the first node, and the file be at both.
func (c *cluster) verdict(lost bool) {
	c.t.Helper()
	if len(c.consumers) == 1 {
		c.consumers[0].verdict(c.ledger)
		return
	}
	total := map[string]int{}
	for i, one := range c.consumers {
		one.drain()
		v := one.judge(c.ledger)
		if len(v.duplicated)+len(v.partial)+len(v.corrupt)+len(v.unexpected) > 0 {
			c.t.Errorf("at %s: %+v", c.hosts[i+1].Name, v)
		}
		for name := range one.names {
			total[name]++
		}
		if i == 0 && one.names["late"] > 0 {
			c.t.Error("the first node got what was for the second")
		}
	}
	for _, name := range c.ledger.order {
		if n := total[name]; n != 1 && !(lost && name == "big" && n == 2) {
			c.t.Errorf("%s is at %d nodes", name, n)
		}
	}
	c.t.Logf("%d files, at %v", len(c.ledger.order), total)
}

func (c *cluster) await(what string, ok func() bool) {
	c.t.Helper()
	eventually(c.t, what, ok, func() string { return c.hosts[0].mft("channel", "list") })
}
