package agent_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/conduct/orders"
	"mft.dev/mft/agent/rehearsal"
	"mft.dev/mft/journal"
)

// TestRehearseAMirrorOfAGroup rehearses a mirror to the active member of a group, then
// runs it: nothing happens before, and what was said happens afterwards.
func TestRehearseAMirrorOfAGroup(t *testing.T) {
	alpha, one, two := grouped(t, mft.ActiveProbe, time.Hour)
	alpha.stop()
	one.stop()
	alpha.conf.Channels[0].Mirror, alpha.conf.Channels[0].Compare = mft.DefaultMirror(), mft.CompareQuick
	alpha.conf.Channels[0].When = append(alpha.conf.Channels[0].When, mft.Trigger{Kind: mft.TriggerManual})
	one.conf.Allow.FilesFrom[0].AllowDelete = true
	write(t, alpha.out, "new", "new")
	write(t, alpha.out, "same", "same")
	write(t, alpha.out, "dir/x", "x")
	write(t, one.in, "same", "same")
	write(t, one.in, "gone", "gone")
	for _, dir := range []string{alpha.out, one.in} {
		if err := os.Chtimes(filepath.Join(dir, "same"), time.Time{}, time.Unix(1e9, 0)); err != nil {
			t.Fatal(err)
		}
	}
	one.start()
	alpha.start()
	alpha.waits("nothing is due")
	alpha.until("an active member", func() bool {
		member, err := alpha.agent.Channels().Groups().Active(t.Context(), "pair")
		return err == nil && member == "one"
	}, func() any { return "none" })
	got := map[string]rehearsal.Verdict{}
	ends, err := alpha.agent.Channels().Rehearse(t.Context(), "box", func(_ int, f rehearsal.Finding) { got[f.Path] = f.Verdict })
	if err != nil || len(ends) != 1 || ends[0].Agent != "one" || ends[0].Err != nil || ends[0].Refused != nil {
		t.Fatalf("the rehearsal ended with %+v, %v", ends, err)
	}
	for p, want := range map[string]rehearsal.Verdict{"new": rehearsal.New, "same": rehearsal.Same, "dir/x": rehearsal.New, "gone": rehearsal.Removed} {
		if got[p] != want {
			t.Errorf("%s would be %q, want %s", p, got[p], want)
		}
	}
	if rows := alpha.list(journal.Filter{}); len(rows) != 0 {
		t.Errorf("a rehearsal made the transfers %+v", rows)
	}
	if before := tree(t, one.in); len(before) != 2 {
		t.Errorf("the destination has %v", before)
	}
	if _, err := alpha.agent.Channels().Order(t.Context(), "box", orders.Ask, "somebody"); err != nil {
		t.Fatal(err)
	}
	one.awaitTree(one.in, map[string]string{"new": "new", "same": "same", "dir/": "", "dir/x": "x"})
	if n := len(tree(t, two.in)); n != 0 {
		t.Errorf("the passive member has %d files", n)
	}
}

// TestRehearseWithoutTheGrant: who may not remove may not ask what would be removed, and
// a grant that is one directory shows nothing of another.
func TestRehearseWithoutTheGrant(t *testing.T) {
	alpha, beta := newHost(t, "alpha"), newHost(t, "beta")
	alpha.conf.Channels = []mft.Channel{{
		Name: "box", From: mft.Endpoint{Agent: "alpha", Path: alpha.out}, To: []mft.Endpoint{{Agent: "beta", Path: beta.in}, {Agent: "beta", Path: beta.out}},
		When: []mft.Trigger{{Kind: mft.TriggerManual}}, Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick, Mirror: mft.DefaultMirror(),
	}}
	beta.conf.Allow.FilesFrom = []mft.Grant{{Agent: "alpha", Root: beta.in}}
	write(t, alpha.out, "a", "a")
	alpha.start()
	beta.start()
	pair(t, alpha, beta)
	ends, err := alpha.agent.Channels().Rehearse(t.Context(), "box", func(_ int, f rehearsal.Finding) { t.Errorf("it is told of %+v", f) })
	if err != nil || len(ends) != 2 {
		t.Fatalf("%+v, %v", ends, err)
	}
	for _, e := range ends {
		if mft.CodeOf(e.Err) != mft.CodeNotAllowed {
			t.Errorf("to %s: %v, want NOT_ALLOWED", e.To.Path, e.Err)
		}
	}
}
