package agent_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/canary"
	"mft.dev/mft/journal"
	"mft.dev/mft/link"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/transfer/sender"
)

// canaries runs a test of a channel and returns what was found, by what was tried.
func (h *host) canaries(channel string) map[string]canary.Step {
	h.t.Helper()
	out := map[string]canary.Step{}
	err := h.agent.Canaries().Test(h.t.Context(), channel, patience, func(s canary.Step) error {
		out[strings.TrimSpace(s.What+" "+string(s.Way))] = s
		return nil
	})
	if err != nil {
		h.t.Fatalf("testing %s: %v", channel, err)
	}
	return out
}

// wantSteps compares outcomes and codes with what is wanted of all steps.
func wantSteps(t *testing.T, got map[string]canary.Step, want map[string]mft.Code) {
	t.Helper()
	for what, s := range got {
		code, known := want[what]
		if !known || mft.CodeOf(s.Err) != code || (s.Outcome == canary.OK) != (s.Err == nil) {
			t.Errorf("%s: %s, %v; want code %q", what, s.Outcome, s.Err, code)
		}
	}
	for what := range want {
		if _, is := got[what]; !is {
			t.Errorf("%s was not tried", what)
		}
	}
}

// bare fails unless nothing of a canary is left at either end.
func bare(t *testing.T, hosts ...*host) {
	t.Helper()
	for _, h := range hosts {
		for _, dir := range []string{h.in, h.out, filepath.Join(h.conf.Agent.DataDir, "canary")} {
			if got := tree(t, dir); len(got) > 0 {
				t.Errorf("%s of %s has %v, want nothing", dir, h.conf.Agent.Name, got)
			}
		}
		if runs, err := h.agent.Journal.Transfers(context.Background(), journal.Filter{Channel: "box"}); err != nil || len(runs) > 0 {
			t.Errorf("the channel has transfers %v, %v, want none", runs, err)
		}
	}
}

func TestCanary(t *testing.T) {
	alpha, beta, _ := conductedFar(t)
	alpha.waits("nothing")
	wantSteps(t, alpha.canaries("box"), map[string]mft.Code{
		"source": mft.CodeOK, "trigger marker": mft.CodeOK, "trigger marker at the destination beta": mft.CodeOK, "block marker at the destination beta": mft.CodeOK,
		"activity marker at the destination beta": mft.CodeOK, "completion marker at the destination beta": mft.CodeOK,
		"failure marker at the destination beta": mft.CodeOK, "delivery direct": mft.CodeOK,
	})
	bare(t, alpha, beta)
	beta.shows()
	rows, err := beta.agent.Journal.Transfers(t.Context(), journal.Filter{})
	if err != nil || len(rows) != 1 {
		t.Fatalf("beta has %d transfers, %v, want that of the canary", len(rows), err)
	}
	row := beta.await(rows[0].ID, mft.StateDone)
	if row.Moved.Items != 1 || row.Channel != "" || !mft.IsCanary(row.Destination, row.ID) {
		t.Errorf("beta has received %+v, want one file of no channel", row)
	}
}

func TestCanaryFindsWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		name   string
		breaks func(alpha, beta *host)
		want   map[string]mft.Code
	}{
		{"the directory is not allowed", func(alpha, beta *host) {
			ch := alpha.conf.Channels[0]
			ch.To = []mft.Endpoint{{Agent: "beta", Path: filepath.Join(beta.dir, "other")}}
			if err := alpha.agent.Channels().Apply([]mft.Channel{ch}); err != nil {
				t.Fatal(err)
			}
			alpha.agent.Channels().Settle(t.Context())
		}, map[string]mft.Code{"delivery direct": mft.CodeNotAllowed}},
		{"the source is not there", func(alpha, _ *host) { os.Remove(alpha.out) }, map[string]mft.Code{"source": mft.CodeNotFound}},
		{"the markers' directory is not there", func(_, beta *host) { os.Remove(filepath.Join(beta.dir, "markers")) }, map[string]mft.Code{
			"trigger marker at the destination beta": mft.CodeNotFound, "block marker at the destination beta": mft.CodeNotFound,
			"activity marker at the destination beta": mft.CodeNotFound, "completion marker at the destination beta": mft.CodeNotFound,
			"failure marker at the destination beta": mft.CodeNotFound, "delivery direct": mft.CodeBlocked,
		}},
		{"a block marker is there", func(_, beta *host) { write(beta.t, beta.dir, "markers/block", "") }, map[string]mft.Code{"delivery direct": mft.CodeBlocked}},
		{"the peer does not run", func(_, beta *host) { beta.stop() }, map[string]mft.Code{
			"trigger marker at the destination beta": mft.CodeUnreachable, "block marker at the destination beta": mft.CodeUnreachable,
			"activity marker at the destination beta": mft.CodeUnreachable, "completion marker at the destination beta": mft.CodeUnreachable,
			"failure marker at the destination beta": mft.CodeUnreachable, "delivery direct": mft.CodeUnreachable,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alpha, beta, _ := conductedFar(t)
			alpha.waits("nothing")
			tt.breaks(alpha, beta)
			got := alpha.canaries("box")
			want := map[string]mft.Code{}
			for what := range got {
				want[what] = cmp.Or(tt.want[what], mft.CodeOK)
				if s := got[what]; want[what] == mft.CodeUnreachable && mft.CodeOf(s.Err) == mft.CodeDisconnected {
					want[what] = mft.CodeDisconnected // it was asked just as it ended
				}
			}
			wantSteps(t, got, want)
			alpha.until("what is left here", func() bool { return len(tree(t, filepath.Join(alpha.conf.Agent.DataDir, "canary"))) == 0 }, func() any { return "a file" })
			if got := tree(t, beta.in); len(got) > 0 {
				t.Errorf("beta has %v, want nothing", slices.Collect(maps.Keys(got)))
			}
		})
	}
}

// TestCanaryBothWays: what can go over the link and through an exchange is tried over both.
func TestCanaryBothWays(t *testing.T) {
	alpha, beta, _ := apart(t)
	beta.conf.Agent.Listen, beta.conf.Agent.Address = beta.addr, beta.addr
	p := alpha.conf.Peers["beta"]
	p.Address = beta.addr
	alpha.conf.Peers["beta"] = p
	alpha.conf.Channels = []mft.Channel{{
		Name: "box", From: mft.Endpoint{Agent: "alpha", Path: alpha.out}, To: []mft.Endpoint{{Agent: "beta", Path: beta.in}},
		When: []mft.Trigger{{Kind: mft.TriggerManual}}, Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick,
	}}
	alpha.start()
	beta.start()
	wantSteps(t, alpha.canaries("box"), map[string]mft.Code{"source": mft.CodeOK, "delivery direct": mft.CodeOK, "delivery relay": mft.CodeOK})
	bare(t, alpha, beta)
	beta.stop()
	var over []canary.Step
	err := alpha.agent.Canaries().Test(t.Context(), "box", time.Second, func(s canary.Step) error { over = append(over, s); return nil })
	if err != nil || len(over) != 3 || mft.CodeOf(over[1].Err) != mft.CodeUnreachable || mft.CodeOf(over[2].Err) != mft.CodeTimeout {
		t.Errorf("without beta: %+v, %v", over, err)
	}
}

// TestCanaryIsNoWayAroundGrants: the flag of a canary and its name come together or not at
// all, so that neither removes nor keeps from being seen what is something else.
func TestCanaryIsNoWayAroundGrants(t *testing.T) {
	beta := newHost(t, "beta")
	eve := newStranger(t, beta, "eve")
	beta.start()
	mine := write(t, beta.in, "report.csv", "mine")
	id, other := mft.TransferID{1}, mft.TransferID{2}
	name := beta.in + "/" + mft.CanaryName(id)
	for _, tt := range []struct {
		name  string
		offer mft.Offer
		want  mft.Code
	}{
		{"another file", mft.Offer{Destination: mine, Single: true, Overwrite: mft.OverwriteCanary}, mft.CodeBadPath},
		{"a directory", mft.Offer{Destination: beta.in + "/", Overwrite: mft.OverwriteCanary}, mft.CodeBadPath},
		{"another's canary", mft.Offer{Destination: beta.in + "/" + mft.CanaryName(other), Single: true, Overwrite: mft.OverwriteCanary}, mft.CodeBadPath},
		{"several files", mft.Offer{Destination: name, Overwrite: mft.OverwriteCanary}, mft.CodeBadPath},
		{"into a directory of its name", mft.Offer{Destination: name + "/", Single: true, Overwrite: mft.OverwriteCanary}, mft.CodeBadPath},
		{"the name without the flag", mft.Offer{Destination: name, Single: true}, mft.CodeBadPath},
		{"a mirror", mft.Offer{Destination: name, Single: true, Overwrite: mft.OverwriteCanary, Mirror: mft.DefaultMirror()}, mft.CodeBadPath},
		{"outside of what is allowed", mft.Offer{Destination: beta.out + "/" + mft.CanaryName(id), Single: true, Overwrite: mft.OverwriteCanary}, mft.CodeNotAllowed},
		{"as it should be", mft.Offer{Destination: name, Single: true, Overwrite: mft.OverwriteCanary}, mft.CodeOK},
	} {
		if d := eve.offer(beta, eve.open(beta, id), tt.offer); d.Code != tt.want {
			t.Errorf("%s: %+v, want %s", tt.name, d, tt.want)
		}
	}
	if got := tree(t, beta.in); got["report.csv"] != "mine" {
		t.Errorf("beta has %v, want its file as it was", got)
	}
}

// TestCanaryIsSeenByNobody: at the destination no command runs because of a canary, and no
// channel that begins there sends it on.
func TestCanaryIsSeenByNobody(t *testing.T) {
	alpha, beta := newHost(t, "alpha"), newHost(t, "beta")
	d := newDesk(t)
	beta.conf.Exits = []mft.Exit{d.exit(mft.ExitPre, "{fullFilePath}"), d.exit(mft.ExitPost, "{fileName}"), d.exit(mft.ExitError)}
	arrival := []mft.Trigger{{Kind: mft.TriggerArrival, Stable: time.Millisecond, Rescan: 50 * time.Millisecond}}
	alpha.conf.Channels = []mft.Channel{{
		Name: "box", From: mft.Endpoint{Agent: "alpha", Path: alpha.out}, To: []mft.Endpoint{{Agent: "beta", Path: beta.in}},
		When: arrival, Overwrite: mft.OverwriteReplace,
	}}
	beta.conf.Channels = []mft.Channel{{
		Name: "on", From: mft.Endpoint{Agent: "beta", Path: beta.in}, To: []mft.Endpoint{{Agent: "alpha", Path: alpha.in}},
		When: arrival, Overwrite: mft.OverwriteReplace,
	}}
	alpha.start()
	beta.start()
	pair(t, alpha, beta)
	for range 20 {
		wantSteps(t, alpha.canaries("box"), map[string]mft.Code{"source": mft.CodeOK, "delivery direct": mft.CodeOK})
	}
	// What comes after them is seen, and by then they would have been.
	write(t, alpha.out, "real", "1")
	d.expect(`pre 1 ["`+beta.in+`"]`, 0)
	d.expect(`post 1 ["real"]`, 0)
	alpha.until("what is real alone", func() bool { got := tree(t, alpha.in); return len(got) == 1 && got["real"] == "1" }, func() any { return tree(t, alpha.in) })
	rows, err := beta.agent.Journal.Transfers(t.Context(), journal.Filter{Role: mft.RoleReceive})
	if err != nil || len(rows) != 21 {
		t.Fatalf("beta has received %d transfers, %v, want 21", len(rows), err)
	}
	for _, row := range rows {
		runs, err := beta.agent.Exits(t.Context(), row.ID)
		if err != nil || mft.IsCanary(row.Destination, row.ID) && len(runs) > 0 {
			t.Errorf("because of %s commands ran: %+v, %v", row.Destination, runs, err)
		}
	}
}

// TestCanaryOfACrash: what a crash has left of canaries goes with the next start.
func TestCanaryOfACrash(t *testing.T) {
	beta := newHost(t, "beta").start()
	beta.stop()
	id := mft.TransferID{1}
	left := write(t, beta.in, mft.CanaryName(id), "tweet")
	private := write(t, filepath.Join(beta.conf.Agent.DataDir, "canary"), id.String()+"/canary", "tweet")
	j, err := journal.Open(t.Context(), filepath.Join(beta.conf.Agent.DataDir, journal.File))
	if err != nil {
		t.Fatal(err)
	}
	err = j.Update(t.Context(), func(tx *journal.Tx) error {
		err := tx.Create(mft.Transfer{
			ID: id, Role: mft.RoleReceive, Peer: "alpha", State: mft.StateRunning, Destination: left, Overwrite: mft.OverwriteNever, Created: time.Now(), Updated: time.Now(),
		})
		if err == nil {
			err = tx.SetLanding(id, journal.Landing{Root: beta.in, Name: mft.CanaryName(id)})
		}
		if err == nil {
			_, err = tx.Prepare(id, []journal.Entry{{Key: [16]byte{1}, Temp: "gone", Final: mft.CanaryName(id), Type: mft.ItemFile, Overwrite: mft.OverwriteNever}})
		}
		return err
	})
	if err := errors.Join(err, j.Close()); err != nil {
		t.Fatal(err)
	}
	beta.start()
	for _, path := range []string{left, private} {
		_, err := os.Lstat(path)
		beta.until(path+" to go", func() bool { _, err = os.Lstat(path); return errors.Is(err, os.ErrNotExist) }, func() any { return err })
	}
}

// TestCanaryOfAPeerThatStalls: content that was flagged as a canary does not appear, and
// does not stay, when the peer never seals it.
func TestCanaryOfAPeerThatStalls(t *testing.T) {
	beta := newHost(t, "beta")
	eve := newStranger(t, beta, "eve")
	beta.start()
	id := mft.TransferID{1}
	src, err := scan.Open(write(t, t.TempDir(), "a", "evil"))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	conv := eve.open(beta, id)
	_, _, err = sender.Run(t.Context(), stalling{conv, beta}, sender.Outgoing{
		Offer:   mft.Offer{Transfer: id, Destination: beta.in + "/" + mft.CanaryName(id), Single: true, Overwrite: mft.OverwriteCanary},
		Sources: []*scan.Source{src}, Meter: new(transfer.Meter), Note: func(mft.EventKind, mft.Code, string) {},
	})
	if err == nil {
		t.Fatal("what was never sealed was delivered")
	}
	conv.Close()
	beta.until("nothing", func() bool { return len(tree(t, beta.in)) == 0 }, func() any { return tree(t, beta.in) })
}

// A stalling conversation never says the seal, and looks what there is by then.
type stalling struct {
	*link.Conversation
	h *host
}

func (s stalling) Send(ctx context.Context, kind protocol.Kind, body []byte) error {
	if kind != protocol.KindSeal {
		return s.Conversation.Send(ctx, kind, body)
	}
	s.h.until("content", func() bool { return len(tree(s.h.t, s.h.in)) > 0 }, func() any { return "nothing" })
	for name := range tree(s.h.t, s.h.in) {
		if strings.HasPrefix(name, ".mft-canary-") {
			s.h.t.Errorf("before the seal there is %s", name)
		}
	}
	return errors.New("no seal comes")
}

// TestCanaryOfAGroup: a canary goes to the active member, and only that one's markers count.
func TestCanaryOfAGroup(t *testing.T) {
	alpha, one, two := grouped(t, mft.ActiveManual, 0)
	ch := alpha.conf.Channels[0]
	ch.Markers = append(slices.Clone(ch.Markers), mft.Marker{Kind: mft.MarkerCompletion, End: mft.EndDestination, Path: filepath.Join(two.dir, "done")})
	if err := alpha.agent.Channels().Apply([]mft.Channel{ch}); err != nil {
		t.Fatal(err)
	}
	alpha.agent.Channels().Settle(t.Context())
	steps := alpha.canaries("box")
	if got := steps["delivery"]; got.Outcome != canary.Failed || mft.CodeOf(got.Err) != mft.CodeNoMember {
		t.Errorf("with no active member: %+v", got)
	}
	if err := alpha.agent.Channels().Groups().Use(t.Context(), "pair", "two"); err != nil {
		t.Fatal(err)
	}
	steps = alpha.canaries("box")
	for what, want := range map[string]canary.Outcome{
		"delivery direct": canary.OK, "completion marker at the destination one": canary.NotTried, "completion marker at the destination two": canary.Failed,
	} {
		if got := steps[what]; got.Outcome != want {
			t.Errorf("%s: %s, %v; want %s", what, got.Outcome, got.Err, want)
		}
	}
	for h, want := range map[*host]int{one: 0, two: 1} {
		rows, err := h.agent.Journal.Transfers(t.Context(), journal.Filter{})
		if err != nil || len(rows) != want {
			t.Errorf("%s has received %d transfers, %v, want %d", h.conf.Agent.Name, len(rows), err, want)
		}
	}
	bare(t, one, two)
}
