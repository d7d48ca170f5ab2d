package agent_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/trace"
)

// line is what a hop says, in a line.
func line(h trace.Hop) string {
	s := fmt.Sprintf("%s %s %s %s", h.By, h.Role, h.Peer, h.State)
	if h.File != "" {
		s += " " + filepath.Base(string(h.File))
	}
	if h.Receipt != nil && h.Role == mft.RoleSend && h.Receipt.Verified {
		s += " verified"
	}
	return s
}

// traced returns what a host is told of what: its own hops, and what others have told of
// each.
func (h *host) traced(what string) (lines []string, r trace.Report) {
	h.t.Helper()
	r, err := h.agent.Tracer.Find(h.t.Context(), what, true)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, hop := range r.Hops {
		lines = append(lines, line(hop))
		for _, b := range hop.Beyond {
			lines = append(lines, "| "+line(b))
		}
		if hop.Problem != nil {
			lines = append(lines, "| "+string(hop.Problem.Code))
		}
	}
	return lines, r
}

func (h *host) trace(what string, want ...string) trace.Report {
	h.t.Helper()
	got, r := h.traced(what)
	if !slices.Equal(got, want) {
		h.t.Errorf("%s is told of %s:\n%s\nwant\n%s\n(notes: %q)", h.conf.Agent.Name, what, strings.Join(got, "\n"), strings.Join(want, "\n"), r.Notes)
	}
	return r
}

// TestTraceThroughThreeHosts follows files from one host over a second to a third, in both
// directions: with all that the second one lets it know, and with the little that it has
// to.
func TestTraceThroughThreeHosts(t *testing.T) {
	alpha, beta, gamma := newHost(t, "alpha"), newHost(t, "beta"), newHost(t, "gamma")
	start := func(beside ...mft.AgentName) {
		beta.conf.Allow.TracesFrom = beside
		for _, h := range []*host{alpha, beta, gamma} {
			h.start()
		}
	}
	start("alpha", "gamma")
	pair(t, alpha, beta)
	pair(t, beta, gamma)
	file := write(t, alpha.out, "d/a.csv", "a")
	write(t, alpha.out, "d/b.csv", "b")
	first := alpha.copyTo(beta, beta.in+"/", "", filepath.Dir(file))
	alpha.await(first, mft.StateDone)
	beta.await(first, mft.StateDone)
	there := filepath.Join(beta.in, "d", "a.csv")
	second := beta.copyTo(gamma, gamma.in+"/final.csv", "", there)
	beta.await(second, mft.StateDone)
	gamma.await(second, mft.StateDone)

	r := alpha.trace(
		file, "alpha send beta done a.csv verified",
		"| beta receive alpha done a.csv", "| beta send gamma done a.csv verified", "| gamma receive beta done",
	)
	if b := r.Hops[0].Beyond; string(b[0].File) != there || string(b[1].There) != gamma.in+"/final.csv" || len(b[2].Steps) == 0 || b[2].Steps[0].Detail != "" {
		t.Errorf("beta and gamma tell %+v", b)
	}
	if notes := strings.Join(r.Notes, "; "); !strings.Contains(notes, "gamma: tells beta of their own transfers only") {
		t.Errorf("gamma lets beta know no more, and the notes are %q", notes)
	}
	// The other file of the transfer did not go on.
	alpha.trace(filepath.Join(alpha.out, "d", "b.csv"), "alpha send beta done b.csv verified", "| beta receive alpha done b.csv")
	alpha.trace(first.String(), "alpha send beta done verified", "| beta receive alpha done")
	// In the other direction a file is known by when it got its name.
	gamma.trace(
		filepath.Join(gamma.in, "final.csv"), "gamma receive beta done final.csv",
		"| beta send gamma done a.csv verified", "| beta receive alpha done a.csv", "| alpha send beta done verified",
	)
	beta.trace(
		there, "beta receive alpha done a.csv", "| alpha send beta done verified",
		"beta send gamma done a.csv verified", "| gamma receive beta done",
	)

	for _, h := range []*host{alpha, beta, gamma} {
		h.stop()
	}
	start("gamma") // not alpha
	r = alpha.trace(file, "alpha send beta done a.csv verified", "| beta receive alpha done")
	if b := r.Hops[0].Beyond[0]; b.File != "" || len(b.Steps) == 0 || b.Receipt == nil {
		t.Errorf("beta tells %+v", b)
	}
	if notes := strings.Join(r.Notes, "; "); !strings.Contains(notes, "beta: tells alpha of their own transfers only") || strings.Contains(notes, "gamma") {
		t.Errorf("the notes are %q", notes)
	}
	beta.stop()
	alpha.until("the link to beta is down", func() bool {
		s, err := alpha.agent.Status(t.Context())
		return err == nil && len(s.Peers) == 1 && !s.Peers[0].Link.Connected
	}, func() any { return "it is not" })
	r = alpha.trace(file, "alpha send beta done a.csv verified", "| UNREACHABLE")
	if !strings.Contains(r.Hops[0].Problem.Message, "beta") {
		t.Errorf("the problem is %+v", r.Hops[0].Problem)
	}
	gamma.stop()
	beta.conf.Allow.TracesFrom = []mft.AgentName{"alpha"}
	beta.start()
	r = alpha.trace(
		file, "alpha send beta done a.csv verified",
		"| beta receive alpha done a.csv", "| beta send gamma done a.csv verified",
	)
	if notes := strings.Join(r.Notes, "; "); !strings.Contains(notes, "beta: asked gamma: ") {
		t.Errorf("gamma is away, and the notes are %q", notes)
	}
}
