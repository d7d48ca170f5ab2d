package agent_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/identity"
	"mft.dev/mft/link"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/transfer/sender"
)

// A stranger is a peer that is no agent: it says what the test wants it to.
type stranger struct {
	t        *testing.T
	name     mft.AgentName
	link     *link.Link
	sequence atomic.Uint64
}

// newStranger makes h, which must not run yet, trust a peer that dials it.
func newStranger(t *testing.T, h *host, name mft.AgentName) *stranger {
	t.Helper()
	dir := t.TempDir()
	now := time.Now()
	keys, err := identity.LoadOrCreate(filepath.Join(dir, "keys"), name, now)
	if err != nil {
		t.Fatal(err)
	}
	known, err := identity.LoadOrCreate(filepath.Join(h.conf.Agent.DataDir, "keys"), h.conf.Agent.Name, now)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := identity.OpenTrust(filepath.Join(dir, "peers.json"), []identity.Peer{{
		Name: h.conf.Agent.Name, Address: h.addr, Configured: true,
		Pins: []identity.PinnedKey{{Pin: known.Pin(), Source: identity.SourceConfig}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if h.conf.Peers == nil {
		h.conf.Peers = map[mft.AgentName]config.Peer{}
	}
	h.conf.Peers[name] = config.Peer{Pins: []string{string(keys.Pin())}}
	h.conf.Allow.FilesFrom = append(h.conf.Allow.FilesFrom, mft.Grant{Agent: name, Root: h.in})
	h.conf.Allow.RequestsFrom = append(h.conf.Allow.RequestsFrom, mft.Grant{Agent: name, Root: h.out})
	s := &stranger{t: t, name: name}
	s.link = link.New(link.Config{
		Name: name, Keys: keys, Trust: trust,
		NextSequence: func(context.Context, mft.AgentName) (uint64, error) { return s.sequence.Add(1), nil },
		Handle:       func(context.Context, *link.Conversation) {},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.link.Serve(ctx, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the stranger's link ended with %v", err)
		}
	})
	return s
}

// open starts a conversation with h about id.
func (s *stranger) open(h *host, id mft.TransferID) *link.Conversation {
	s.t.Helper()
	conv, err := s.link.Open(s.t.Context(), h.conf.Agent.Name, id, "")
	if err != nil {
		s.t.Fatalf("Open: %v", err)
	}
	s.t.Cleanup(conv.Close)
	return conv
}

// offer makes an offer and returns the decision.
func (s *stranger) offer(h *host, conv *link.Conversation, o mft.Offer) mft.Decision {
	s.t.Helper()
	o.DataKey, o.Streams = conv.DataKey(), 1
	if o.Overwrite == "" {
		o.Overwrite = mft.OverwriteReplace
	}
	return s.say(conv, protocol.KindOffer, protocol.AppendOffer(nil, &o))
}

// say sends a message and returns the decision that answers it.
func (s *stranger) say(conv *link.Conversation, kind protocol.Kind, body []byte) mft.Decision {
	s.t.Helper()
	if err := conv.Send(s.t.Context(), kind, body); err != nil {
		s.t.Fatalf("Send: %v", err)
	}
	answer, err := conv.Receive(s.t.Context())
	if err != nil {
		s.t.Fatalf("Receive: %v, want a decision", err)
	}
	d, err := answer.Decision()
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// send sends a file for good.
func (s *stranger) send(h *host, id mft.TransferID, path string) (mft.Receipt, error) {
	s.t.Helper()
	src, err := scan.Open(path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer src.Close()
	conv := s.open(h, id)
	defer conv.Close()
	receipt, _, err := sender.Run(s.t.Context(), conv, sender.Outgoing{
		Offer:   mft.Offer{Transfer: id, Destination: h.in + "/", Single: true, Overwrite: mft.OverwriteReplace},
		Sources: []*scan.Source{src}, Meter: new(transfer.Meter),
		Note: func(mft.EventKind, mft.Code, string) {},
	})
	return receipt, err
}

func TestOfferTwice(t *testing.T) {
	beta := newHost(t, "beta")
	s := newStranger(t, beta, "eve")
	beta.start()
	id, src := mft.TransferID{1}, write(t, t.TempDir(), "a", "1")
	first, err := s.send(beta, id, src)
	if err != nil {
		t.Fatalf("first Send: %v", err)
	}
	again, err := s.send(beta, id, src)
	if err != nil {
		t.Fatalf("second Send: %v", err)
	}
	if first != again {
		t.Errorf("receipts are %+v and %+v, want the same one", first, again)
	}
	if got := beta.await(id, mft.StateDone); got.Attempts != 1 {
		t.Errorf("it was accepted %d times, want once", got.Attempts)
	}
}

func TestReplayedMessages(t *testing.T) {
	beta := newHost(t, "beta")
	s := newStranger(t, beta, "eve")
	beta.start()
	write(t, beta.out, "a", "1")
	to := mft.Offer{Destination: beta.in + "/"}
	if d := s.offer(beta, s.open(beta, mft.TransferID{1}), to); d.Code != mft.CodeOK {
		t.Fatalf("a new offer: %+v, want OK", d)
	}
	replay := func() { s.sequence.Add(^uint64(0)) } // the next message has the number of the last
	replay()
	if d := s.offer(beta, s.open(beta, mft.TransferID{2}), to); d.Code != mft.CodeReplayed {
		t.Errorf("an offer of a number that was seen: %+v, want %s", d, mft.CodeReplayed)
	}
	if _, _, err := beta.agent.Transfer(t.Context(), mft.TransferID{2}); mft.CodeOf(err) != mft.CodeNotFound {
		t.Errorf("a replayed offer became a transfer: %v", err)
	}
	replay()
	if d := s.offer(beta, s.open(beta, mft.TransferID{1}), to); d.Code != mft.CodeReplayed {
		t.Errorf("a replay against the attempt under way: %+v, want %s", d, mft.CodeReplayed)
	}
	if got, _, err := beta.agent.Transfer(t.Context(), mft.TransferID{1}); err != nil || got.State != mft.StateRunning {
		t.Errorf("the attempt under way is %s (%v), want running", got.State, err)
	}
	replay()
	r := mft.Request{Path: beta.out + "/a", Overwrite: mft.OverwriteReplace}
	if d := s.say(s.open(beta, mft.TransferID{3}), protocol.KindRequest, protocol.AppendRequest(nil, &r)); d.Code != mft.CodeReplayed {
		t.Errorf("a request of a number that was seen: %+v, want %s", d, mft.CodeReplayed)
	}
}

func TestNewerAttemptWins(t *testing.T) {
	beta := newHost(t, "beta")
	s := newStranger(t, beta, "eve")
	beta.start()
	id := mft.TransferID{1}
	old := s.open(beta, id)
	if d := s.offer(beta, old, mft.Offer{Destination: beta.in + "/", Single: true}); d.Code != mft.CodeOK {
		t.Fatalf("first offer: %+v, want OK", d)
	}
	if _, err := s.send(beta, id, write(t, t.TempDir(), "a", "1")); err != nil {
		t.Fatalf("an attempt beside one that hangs: %v", err)
	}
	if got := beta.await(id, mft.StateDone); got.Attempts != 2 {
		t.Errorf("it was accepted %d times, want twice", got.Attempts)
	}
}

func TestOfferRefused(t *testing.T) {
	beta := newHost(t, "beta")
	eve, mallory := newStranger(t, beta, "eve"), newStranger(t, beta, "mallory")
	beta.start()
	own := beta.in + "/"
	if d := eve.offer(beta, eve.open(beta, mft.TransferID{1}), mft.Offer{Destination: own}); d.Code != mft.CodeOK {
		t.Fatalf("a first offer: %+v, want OK", d)
	}
	for _, tt := range []struct {
		name  string
		from  *stranger
		id    mft.TransferID
		offer mft.Offer
		want  mft.Code
	}{
		{"another peer's transfer", mallory, mft.TransferID{1}, mft.Offer{Destination: own}, mft.CodeNotAllowed},
		{"another destination than at first", eve, mft.TransferID{1}, mft.Offer{Destination: own + "x/"}, mft.CodeNotAllowed},
		{"what nobody asked for", eve, mft.TransferID{2}, mft.Offer{Requested: true}, mft.CodeNotAllowed},
		{"outside", eve, mft.TransferID{3}, mft.Offer{Destination: "/etc/"}, mft.CodeNotAllowed},
		{"no destination", eve, mft.TransferID{4}, mft.Offer{}, mft.CodeBadPath},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := tt.from.offer(beta, tt.from.open(beta, tt.id), tt.offer); d.Code != tt.want {
				t.Errorf("decision = %+v, want %s", d, tt.want)
			}
		})
	}
}

func TestBusy(t *testing.T) {
	beta := newHost(t, "beta")
	s, other := newStranger(t, beta, "eve"), newStranger(t, beta, "mallory")
	beta.start()
	for i := range 20 {
		d := s.offer(beta, s.open(beta, mft.TransferID{1, byte(i)}), mft.Offer{Destination: beta.in + "/"})
		switch {
		case i < 4 && d.Code != mft.CodeOK:
			t.Fatalf("offer %d: %+v, want OK", i, d)
		case d.Code == mft.CodeBusy:
			if d.RetryIn <= 0 {
				t.Errorf("offer %d: busy without a word on when to come again", i)
			}
			if d := other.offer(beta, other.open(beta, mft.TransferID{2}), mft.Offer{Destination: beta.in + "/"}); d.Code != mft.CodeOK {
				t.Errorf("an offer of another peer: %+v, want that there is room for it", d)
			}
			return
		}
	}
	t.Error("20 offers at once were all accepted, want an end to it")
}

func TestCancelIsForPeersOfTheTransfer(t *testing.T) {
	beta := newHost(t, "beta")
	eve, mallory := newStranger(t, beta, "eve"), newStranger(t, beta, "mallory")
	beta.start()
	id := mft.TransferID{1}
	if d := eve.offer(beta, eve.open(beta, id), mft.Offer{Destination: beta.in + "/"}); d.Code != mft.CodeOK {
		t.Fatalf("a first offer: %+v, want OK", d)
	}
	cancel := func(s *stranger) {
		c := protocol.Cancel{Transfer: id, Code: mft.CodeCancelled}
		if err := s.open(beta, id).Send(t.Context(), protocol.KindCancel, protocol.AppendCancel(nil, &c)); err != nil {
			t.Fatal(err)
		}
	}
	cancel(mallory)
	// Her next message is answered after the one before was served.
	mallory.offer(beta, mallory.open(beta, mft.TransferID{2}), mft.Offer{Destination: "/etc/"})
	if got, _, err := beta.agent.Transfer(t.Context(), id); err != nil || got.State != mft.StateRunning {
		t.Errorf("after another peer's cancel it is %s (%v), want running", got.State, err)
	}
	cancel(eve)
	beta.await(id, mft.StateCancelled)
	if d := eve.offer(beta, eve.open(beta, id), mft.Offer{Destination: beta.in + "/"}); d.Code != mft.CodeCancelled {
		t.Errorf("an offer of what was cancelled: %+v, want %s", d, mft.CodeCancelled)
	}
}

func TestRequestTwice(t *testing.T) {
	beta := newHost(t, "beta")
	s := newStranger(t, beta, "eve")
	beta.start()
	src := write(t, beta.out, "a", "1")
	ask := func(path string) mft.Decision {
		r := mft.Request{Path: path, Overwrite: mft.OverwriteReplace}
		return s.say(s.open(beta, mft.TransferID{1}), protocol.KindRequest, protocol.AppendRequest(nil, &r))
	}
	for range 2 {
		if d := ask(src); d.Code != mft.CodeOK {
			t.Fatalf("decision = %+v, want OK", d)
		}
	}
	if _, err := beta.agent.Cancel(t.Context(), mft.TransferID{1}); err != nil {
		t.Fatal(err)
	}
	if d := ask(src); d.Code != mft.CodeCancelled {
		t.Errorf("asking for what was cancelled: %+v, want %s", d, mft.CodeCancelled)
	}
}

func TestUnpinnedPeerIsNotHeard(t *testing.T) {
	beta := newHost(t, "beta")
	s := newStranger(t, beta, "eve")
	delete(beta.conf.Peers, "eve")
	beta.start()
	conv, err := s.link.Open(t.Context(), "beta", mft.TransferID{1}, "")
	if err == nil {
		conv.Close()
		t.Error("Open by an agent that is not pinned succeeded")
	}
	var neterr net.Error
	if mft.CodeOf(err) == mft.CodeOther && !errors.As(err, &neterr) {
		t.Errorf("Open = %v, want an error with a code", err)
	}
}
