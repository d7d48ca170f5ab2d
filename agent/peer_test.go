package agent_test

import (
	"path/filepath"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/order"
	"mft.dev/mft/agent/pairing"
)

func TestPairing(t *testing.T) {
	alpha, beta := pairOf(t)
	p, err := beta.agent.Peer("alpha")
	if err != nil || len(p.Files) != 1 || p.Files[0] != beta.in || len(p.RequestsFrom) != 1 || p.RequestsFrom[0] != beta.out {
		t.Errorf("Peer(alpha) at beta = %+v, %v, want what Join granted", p, err)
	}
	p, err = alpha.agent.Peer("beta")
	if err != nil || len(p.Files) != 1 || p.Files[0] != alpha.in || p.Address != beta.addr {
		t.Errorf("Peer(beta) at alpha = %+v, %v, want what Invite granted, and an address", p, err)
	}
	if _, err := alpha.agent.Peer("gamma"); mft.CodeOf(err) != mft.CodeUnknownPeer {
		t.Errorf("Peer(gamma) = %v, want code %s", err, mft.CodeUnknownPeer)
	}
	for _, dirs := range [][2]string{{"relative", ""}, {"", "relative"}} {
		if _, err := alpha.agent.Invite("", pairing.Grant{FilesInto: dirs[0], RequestsRoot: dirs[1]}); mft.CodeOf(err) != mft.CodeBadPath {
			t.Errorf("Invite(%q) = %v, want code %s", dirs, err, mft.CodeBadPath)
		}
		if err := alpha.agent.AllowPeer("beta", pairing.Grant{FilesInto: dirs[0], RequestsRoot: dirs[1]}); mft.CodeOf(err) != mft.CodeBadPath {
			t.Errorf("AllowPeer(%q) = %v, want code %s", dirs, err, mft.CodeBadPath)
		}
	}
}

func TestInviteOnce(t *testing.T) {
	alpha, beta, gamma := newHost(t, "alpha").start(), newHost(t, "beta").start(), newHost(t, "gamma").start()
	i, err := alpha.agent.Invite("", pairing.Grant{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := beta.agent.Join(t.Context(), i.Line(), pairing.Grant{}); err != nil {
		t.Fatalf("first Join: %v", err)
	}
	if _, err := gamma.agent.Join(t.Context(), i.Line(), pairing.Grant{}); mft.CodeOf(err) != mft.CodeInvite {
		t.Errorf("second Join = %v, want code %s", err, mft.CodeInvite)
	}
}

func TestRemovePeer(t *testing.T) {
	alpha, beta, g := gatedPair(t)
	id := stuck(t, alpha, beta, g)
	queued := alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, "a", "1"))
	if err := beta.agent.RemovePeer(t.Context(), "alpha"); err != nil {
		t.Fatalf("RemovePeer: %v", err)
	}
	if got := beta.await(id, mft.StateFailed); got.Reason.Code != mft.CodeUnknownPeer {
		t.Errorf("reason = %+v, want %s", got.Reason, mft.CodeUnknownPeer)
	}
	untouched(t, beta)
	g.set(false)
	if err := alpha.agent.RemovePeer(t.Context(), "beta"); err != nil {
		t.Fatalf("RemovePeer: %v", err)
	}
	alpha.await(id, mft.StateFailed)
	alpha.awaitIf(queued, func(t mft.Transfer) bool { return t.State.Terminal() })
	if err := alpha.agent.RemovePeer(t.Context(), "beta"); mft.CodeOf(err) != mft.CodeUnknownPeer {
		t.Errorf("second RemovePeer = %v, want code %s", err, mft.CodeUnknownPeer)
	}
	placed, err := alpha.agent.Copy(t.Context(), []string{filepath.Join(alpha.out, "a")}, []order.Destination{{Agent: "beta", Path: "/x"}})
	if err != nil || mft.CodeOf(placed[0].Err) != mft.CodeUnknownPeer {
		t.Errorf("Copy to a removed peer = %+v, %v, want code %s", placed, err, mft.CodeUnknownPeer)
	}
}

func TestRotatedKeyIsFollowed(t *testing.T) {
	alpha, beta := pairOf(t)
	if err := alpha.agent.RotateKey(t.Context(), time.Hour); err != nil {
		t.Fatalf("RotateKey: %v", err)
	}
	pin := string(alpha.agent.Keys()[0].Pin)
	alpha.stop()
	alpha.start()
	id := alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, "a", "1"))
	alpha.await(id, mft.StateDone)
	p, err := beta.agent.Peer("alpha")
	if err != nil {
		t.Fatal(err)
	}
	known := false
	for _, k := range p.Pins {
		known = known || string(k.Pin) == pin
	}
	if !known {
		t.Errorf("beta knows alpha by %+v, want the new key %s among them", p.Pins, pin)
	}
	events, err := beta.agent.Events(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, e := range events {
		if e.Kind == mft.EventKeyRotated && e.Peer == "alpha" && e.Detail == pin {
			told++
		}
	}
	if told != 1 {
		t.Errorf("beta told %d times of alpha's new key, want once, in %+v", told, events)
	}
}

func TestStatus(t *testing.T) {
	alpha, beta := pairOf(t)
	id := alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, "a", "1"))
	alpha.await(id, mft.StateDone)
	beta.stop()
	waiting := alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, "b", "1"))
	alpha.await(waiting, mft.StateWaiting)
	s, err := alpha.agent.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "alpha" || s.Version != "test" || s.Started.IsZero() || s.Listening != alpha.addr || s.Resident <= 0 {
		t.Errorf("Status = %+v, want what the agent is", s)
	}
	if s.Counts[mft.StateDone] != 1 || s.Counts[mft.StateWaiting] != 1 || len(s.Waiting) != 1 || s.Waiting[0].ID != waiting {
		t.Errorf("counts = %v, waiting = %+v, want one done and one waiting", s.Counts, s.Waiting)
	}
	if len(s.Peers) != 1 || s.Peers[0].Link.Connected {
		t.Errorf("peers = %+v, want one that is away", s.Peers)
	}
}
