package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
)

// TestSourceGroup has a channel that begins at a group of two hosts with one directory, of
// which the one with the marker sends. Nothing is sent while none has it or both have; it is
// handed over in the middle of a file, and back.
func TestSourceGroup(t *testing.T) {
	t.Parallel()
	s := newSources(t)
	doubted := func(why string) {
		t.Helper()
		for _, h := range s.hosts[:2] {
			s.await("nobody is active: "+why, func() bool { return strings.Contains(h.mft("channel", "list"), why) })
		}
	}
	held := func() {
		t.Helper()
		doubted("no member of the server group is active")
		if n, _ := s.consumer.arrived(); n != len(s.ledger.order)-1 {
			t.Fatalf("%d files have arrived, though nobody is active, or both are", n)
		}
	}
	s.make("first", 1000)
	held() // nobody has the marker
	s.mark(0)
	s.arrives(1)
	s.mark(1)
	doubted("the markers of [one two] are there")
	s.make("second", 1000)
	held()
	s.unmark(1)
	s.arrives(2)

	s.make("big", 48<<20)
	s.await("it is half way", func() bool {
		return slices.ContainsFunc(s.sent(0), func(tr localapi.Transfer) bool { return tr.State == mft.StateRunning && tr.Moved.Bytes > 4<<20 })
	})
	s.unmark(0)
	s.await("it is held", func() bool {
		return !slices.ContainsFunc(s.sent(0), func(tr localapi.Transfer) bool { return !tr.State.Terminal() && tr.State != mft.StatePaused })
	})
	if n, _ := s.consumer.arrived(); n != 2 {
		t.Fatal("it is not half way any more")
	}
	s.mark(1)
	s.arrives(3)
	s.make("third", 1000)
	s.arrives(4)
	s.ends(1) // what a member has under way when it is active no more is held, even if only the receipt is missing
	s.unmark(1)
	s.mark(0)
	s.make("fourth", 1000)
	s.arrives(5)
	s.settle()
	s.consumer.verdict(s.ledger)
}

// TestSourceGroupApart has the members lose each other while each has the marker, which whoever
// makes the markers must not let happen: then both send. Every file is whole.
func TestSourceGroupApart(t *testing.T) {
	t.Parallel()
	s := newSources(t)
	s.mark(0)
	s.make("first", 1000)
	s.arrives(1)
	s.part(0, 1)
	s.part(1, 0)
	s.mark(1)
	s.await("the second sends too", func() bool { return len(s.sent(1)) > 0 })
	s.make("second", 1000)
	s.arrives(2)
	s.settle()
	s.join(0, 1)
	s.join(1, 0)
	for _, h := range s.hosts[:2] {
		s.await("both are doubted", func() bool { return strings.Contains(h.mft("channel", "list"), "the markers of") })
	}
	s.consumer.drain()
	v := s.consumer.judge(s.ledger)
	if len(v.lost)+len(v.partial)+len(v.corrupt)+len(v.unexpected) > 0 {
		t.Errorf("%+v", v)
	}
	for name, n := range s.consumer.names {
		if n > 2 {
			t.Errorf("%s appeared %d times, and there are two that send", name, n)
		}
	}
	t.Logf("appeared: %v", s.consumer.names)
}

// sources are two hosts at which a channel begins, and one to which it leads.
type sources struct {
	*town
	*producer
	t        *testing.T
	consumer *consumer
}

func newSources(t *testing.T) *sources {
	t.Helper()
	rnd := chance(t)
	s := &sources{town: newTown(t, "one", "two", "dest"), t: t}
	one, two, dest := s.hosts[0], s.hosts[1], s.hosts[2]
	seat := filepath.Join(t.TempDir(), "seat")
	out := one.Out() // of both
	s.producer = &producer{t: t, dir: out, ledger: newLedger(), rnd: rnd}
	s.consumer = consume(t, dest.In(), filepath.Join(dest.Dir, "kept"), false)
	for i, h := range []*host{one, two} {
		h.slow()
		h.own, h.seat = filepath.Join(h.Dir, "own"), seat
		for _, dir := range []string{h.own, seat} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		marker := filepath.Join(seat, "active")
		h.configure(fmt.Sprintf(`
groups: {pair: {members: [one, two], active: marker, marker: %q}}
allow: {files_from: [{agent: %s, into: %q, markers: {active: %q}}]}
channels:
  - name: stream
    from: {group: pair, path: %q}
    to: [{agent: dest, path: %q}]
    when: {arrival: {stable: 50ms, rescan: 2s}}
    select: {exclude: [".new-*", ".new-*/**"]}
`, marker, s.hosts[1-i].Name, seat, marker, out, dest.In()))
	}
	for _, h := range s.hosts {
		h.start()
	}
	pair(one, two, two.Addr)
	pair(one, dest, dest.Addr)
	pair(two, dest, dest.Addr)
	return s
}

func (s *sources) mark(i int) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.hosts[i].own, "active"), nil, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sources) unmark(i int) {
	s.t.Helper()
	if err := os.Remove(filepath.Join(s.hosts[i].own, "active")); err != nil {
		s.t.Fatal(err)
	}
}

// sent returns the transfers of a member.
func (s *sources) sent(i int) []localapi.Transfer {
	s.t.Helper()
	all, err := s.hosts[i].transfers()
	if err != nil {
		s.t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(tr localapi.Transfer) bool { return tr.Channel != "stream" })
}

// arrives waits until so many files have arrived.
func (s *sources) arrives(n int) {
	s.t.Helper()
	if err := s.consumer.awaitArrived(n); err != nil {
		s.t.Fatalf("%v\n%s%s", err, s.hosts[0].mft("channel", "list"), s.hosts[1].mft("channel", "list"))
	}
}

// settle waits until no transfer is open anywhere.
func (s *sources) settle() {
	s.t.Helper()
	for i := range s.hosts {
		s.ends(i)
	}
	s.await("nothing is left", func() bool { return len(staging(s.t, s.consumer.root)) == 0 })
}

// ends waits until no transfer of a host is open.
func (s *sources) ends(i int) {
	s.t.Helper()
	s.await("nothing is open at "+string(s.hosts[i].Name), func() bool {
		return !slices.ContainsFunc(s.sent(i), func(tr localapi.Transfer) bool { return !tr.State.Terminal() })
	})
}

func (s *sources) await(what string, ok func() bool) {
	s.t.Helper()
	eventually(s.t, what, ok, func() string { return s.hosts[0].mft("channel", "list") + s.hosts[1].mft("channel", "list") })
}
