package agent_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/group"
	"mft.dev/mft/journal"
	"mft.dev/mft/trigger/firing"
)

// grouped starts a host with a channel to a group of two others, of which each lets it
// look at a marker that says who is active.
func grouped(t *testing.T, by mft.Activity, after time.Duration) (alpha, one, two *host) {
	t.Helper()
	alpha, one, two = newHost(t, "alpha"), newHost(t, "one"), newHost(t, "two")
	shared := t.TempDir() // one path on all hosts; who is asked says whose
	g := mft.ServerGroup{Name: "pair", Members: []mft.AgentName{"one", "two"}, Active: by, After: after}
	if by == mft.ActiveMarker {
		g.Marker = filepath.Join(shared, "active")
	}
	alpha.conf.Groups = []mft.ServerGroup{g}
	alpha.conf.Channels = []mft.Channel{{
		Name: "box", From: mft.Endpoint{Agent: "alpha", Path: alpha.out}, To: []mft.Endpoint{{Group: "pair", Path: "in"}},
		When: []mft.Trigger{{Kind: mft.TriggerMarker}}, Overwrite: mft.OverwriteReplace,
		Markers: []mft.Marker{{Kind: mft.MarkerTrigger, End: mft.EndSource, Path: filepath.Join(alpha.dir, "go")}},
	}}
	for _, h := range []*host{one, two} {
		// While there is a file busy there, the member takes nothing.
		grant := mft.Grant{Agent: "alpha", Root: h.dir, Markers: []mft.Marker{{Kind: mft.MarkerBlock, End: mft.EndDestination, Path: filepath.Join(h.dir, "busy")}}}
		if by == mft.ActiveMarker {
			grant.Markers = append(grant.Markers, mft.Marker{Kind: mft.MarkerActive, End: mft.EndDestination, Path: g.Marker})
		}
		h.conf.Allow.FilesFrom = []mft.Grant{grant}
	}
	alpha.start()
	for _, h := range []*host{one, two} {
		h.start()
		pair(t, alpha, h)
	}
	return alpha, one, two
}

// run has the channel run with one more file.
func (h *host) run(name string) {
	h.t.Helper()
	write(h.t, h.out, name, name)
	write(h.t, h.dir, "go", "")
}

func TestGroupByProbe(t *testing.T) {
	alpha, one, two := grouped(t, mft.ActiveProbe, time.Second)
	alpha.waits("nothing is due")
	alpha.run("a")
	one.awaitTree(one.in, map[string]string{"a": "a"})
	alpha.over(1)
	one.stop()
	alpha.run("b")
	two.awaitTree(two.in, map[string]string{"b": "b"})
	alpha.over(2)
	// It does not go back: the one that is active stays so while it answers.
	one.start()
	alpha.run("c")
	two.awaitTree(two.in, map[string]string{"b": "b", "c": "c"})
	alpha.over(3)
	if got := tree(t, one.in); len(got) != 1 {
		t.Errorf("the first has %v", got)
	}
}

// TestRunFollowsAFailover has the active member disappear before a run to it, and the
// sender restart.
func TestRunFollowsAFailover(t *testing.T) {
	alpha, one, two := grouped(t, mft.ActiveProbe, 5*time.Second)
	alpha.waits("nothing is due")
	write(t, one.dir, "busy", "")
	alpha.run("a")
	alpha.until("its transfer", func() bool { return len(alpha.list(journal.Filter{Peer: "one"})) == 1 }, func() any { return "none" })
	one.stop()
	alpha.stop()
	alpha.start()
	two.awaitTree(two.in, map[string]string{"a": "a"})
	ended := alpha.over(1)
	if last := ended[0]; !last.Code.OK() || !strings.HasSuffix(last.Detail, "1 of its transfers followed a fail-over") {
		t.Errorf("the run ended with %s: %s", last.Code, last.Detail)
	}
	moved := alpha.list(journal.Filter{States: []mft.State{mft.StateCancelled}})
	for _, row := range moved {
		if row.Reason.Code != mft.CodeFailedOver || row.Peer != "one" {
			t.Errorf("%s to %s: %+v", row.State, row.Peer, row.Reason)
		}
	}
	if len(moved) != 1 {
		t.Errorf("%d transfers were left, want 1", len(moved))
	}
	events, err := alpha.agent.Events(t.Context(), 0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(events, func(e mft.Event) bool {
		return e.Kind == mft.EventFailover && e.Channel == "box" && strings.Contains(e.Detail, "which was for one")
	}) {
		t.Error("the history does not say that the run followed")
	}
	// What was left is not sent when the member is back.
	if err := os.Remove(filepath.Join(one.dir, "busy")); err != nil {
		t.Fatal(err)
	}
	one.start()
	alpha.run("b")
	two.awaitTree(two.in, map[string]string{"a": "a", "b": "b"})
	if got := tree(t, one.in); len(got) != 0 {
		t.Errorf("the first has %v", got)
	}
}

// TestGroupByMarker has the marker on both members, on the only one that answers, and on
// none. They share a file system here, so both have the same.
func TestGroupByMarker(t *testing.T) {
	alpha, one, two := grouped(t, mft.ActiveMarker, 0)
	path := alpha.conf.Groups[0].Marker
	write(t, filepath.Dir(path), "active", "")
	alpha.waits("the markers of [one two] are there")
	alpha.run("a")
	alpha.waits("no member of the server group is active, or several are")
	for _, h := range []*host{one, two} {
		if got := tree(t, h.in); len(got) != 0 {
			t.Errorf("%s has %v, though both are active", h.conf.Agent.Name, got)
		}
	}
	one.stop()
	two.awaitTree(two.in, map[string]string{"a": "a"})
	alpha.over(1)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	alpha.waits("two has no marker")
	alpha.run("b")
	alpha.waits("no member of the server group is active, or several are")
	write(t, filepath.Dir(path), "active", "")
	two.awaitTree(two.in, map[string]string{"a": "a", "b": "b"})
	alpha.over(2)
}

// TestSourceGroup has a channel in the files of two hosts, of which only the active one
// runs it.
func TestSourceGroup(t *testing.T) {
	one, two, beta := newHost(t, "one"), newHost(t, "two"), newHost(t, "beta")
	g := mft.ServerGroup{Name: "pair", Members: []mft.AgentName{"one", "two"}, Active: mft.ActiveMarker, Marker: filepath.Join(one.dir, "active")}
	for _, h := range []*host{one, two} {
		h.conf.Groups = []mft.ServerGroup{g}
		h.conf.Channels = []mft.Channel{{
			Name: "box", From: mft.Endpoint{Agent: h.conf.Agent.Name, Group: "pair", Path: h.out}, To: []mft.Endpoint{{Agent: "beta", Path: beta.in}},
			When: []mft.Trigger{{Kind: mft.TriggerPoll, Every: time.Second}}, Overwrite: mft.OverwriteReplace,
		}}
		write(t, h.out, string(h.conf.Agent.Name), "1")
	}
	for _, h := range []*host{one, two, beta} {
		h.start()
	}
	pair(t, one, two)
	pair(t, one, beta)
	pair(t, two, beta)
	for _, h := range []*host{one, two} { // neither lets the other look at its marker
		h.waits("allow.files_from has no active marker")
	}
	write(t, one.dir, "active", "")
	for h, peer := range map[*host]mft.AgentName{one: "two", two: "one"} {
		h.stop()
		h.conf.Allow.FilesFrom = []mft.Grant{{Agent: peer, Root: h.in, Markers: []mft.Marker{{Kind: mft.MarkerActive, End: mft.EndDestination, Path: g.Marker}}}}
		h.start()
	}
	for _, h := range []*host{one, two} { // both are active
		h.waits("the markers of [one two] are there")
	}
	write(t, two.out, "late", "2") // whatever each sent before it knew of the other's
	two.waits(string(firing.WhyApart))
	if got := tree(t, beta.in); got["late"] != "" {
		t.Errorf("there is %v, though two are active", got)
	}
	one.stop()
	beta.until("the file", func() bool { return tree(t, beta.in)["late"] == "2" }, func() any { return tree(t, beta.in) })
}

// TestGroupByChoice has an operator choose, also during a run, and take the choice back.
func TestGroupByChoice(t *testing.T) {
	alpha, one, two := grouped(t, mft.ActiveManual, 0)
	groups := func() *group.Groups { return alpha.agent.Channels().Groups() }
	alpha.run("a")
	alpha.waits("nobody has chosen one")
	if err := groups().Use(t.Context(), "pair", "three"); mft.CodeOf(err) != mft.CodeNotFound {
		t.Errorf("Use of no member: %v", err)
	}
	if err := groups().Use(t.Context(), "pair", "two"); err != nil {
		t.Fatal(err)
	}
	two.awaitTree(two.in, map[string]string{"a": "a"})
	alpha.over(1)
	two.stop()
	alpha.stop()
	alpha.start()
	alpha.run("b")
	alpha.until("its transfer", func() bool { return len(alpha.list(journal.Filter{Peer: "two"})) == 2 }, func() any { return "none" })
	if err := groups().Use(t.Context(), "pair", "one"); err != nil {
		t.Fatal(err)
	}
	one.awaitTree(one.in, map[string]string{"b": "b"})
	alpha.over(2)
	if list, err := groups().List(t.Context()); err != nil || len(list) != 1 || list[0].Active != "one" || list[0].Chosen != "one" {
		t.Errorf("List: %+v, %v", list, err)
	}
	if err := groups().Use(t.Context(), "pair", ""); err != nil {
		t.Fatal(err)
	}
	alpha.waits("nobody has chosen one")
}
