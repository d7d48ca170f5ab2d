package courier_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/courier"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/dir"
	"mft.dev/mft/exchange/mailbox"
	"mft.dev/mft/exchange/talk"
	"mft.dev/mft/identity"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/receiver"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/transfer/sender"
)

// part is the content of a part in these tests, so that small trees have several.
const part = 16 << 10

// An end is one host: keys, a journal, a directory, and the exchange as it finds
// it. It lives several lives.
type end struct {
	t        testing.TB
	name     mft.AgentName
	top      string
	keys     *identity.Keys
	trust    *identity.Trust
	exchange exchange.Exchange
	clock    func() time.Time

	mu      sync.Mutex
	sends   map[mft.TransferID]*shipment // under way
	aside   []error                      // why letters were put aside
	refused []error                      // why parcels were
	busy    map[mft.TransferID]bool

	// Of one life.
	ctx     context.Context
	cancel  context.CancelFunc
	journal *journal.Journal
	courier *courier.Courier
	hands   sync.WaitGroup
}

// newEnds makes two hosts that trust each other and share a folder.
func newEnds(t testing.TB, top string) (alpha, beta *end, folder string) {
	t.Helper()
	folder = filepath.Join(top, "folder")
	must(t, os.Mkdir(folder, 0o755))
	ends := map[mft.AgentName]*end{}
	for _, name := range []mft.AgentName{"alpha", "beta"} {
		e := &end{
			t: t, name: name, top: filepath.Join(top, string(name)), clock: time.Now,
			sends: map[mft.TransferID]*shipment{}, busy: map[mft.TransferID]bool{},
		}
		var err error
		e.keys, err = identity.LoadOrCreate(filepath.Join(e.top, "keys"), name, time.Now())
		must(t, err)
		_, err = dir.Setup(t.Context(), folder, name)
		must(t, err)
		e.exchange, err = dir.New(dir.Config{Path: folder, Agent: name, Wait: 4 * time.Millisecond})
		must(t, err)
		e.exchange.Sizes.MaxBlock = part
		ends[name] = e
	}
	alpha, beta = ends["alpha"], ends["beta"]
	for e, peer := range map[*end]*end{alpha: beta, beta: alpha} {
		var err error
		e.trust, err = identity.OpenTrust(filepath.Join(e.top, "peers.json"), []identity.Peer{
			{Name: peer.name, Pins: []identity.PinnedKey{{Pin: peer.keys.Pin()}}},
		})
		must(t, err)
	}
	return alpha, beta, folder
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// live begins a life.
func (e *end) live() {
	e.t.Helper()
	var err error
	e.journal, err = journal.Open(context.Background(), filepath.Join(e.top, "journal.db"))
	must(e.t, err)
	e.courier, err = courier.New(courier.Config{
		Exchange: e.exchange, Dir: filepath.Join(e.top, "relay"), Sent: filepath.Join(e.top, "sent"), Keys: e.keys, Trust: e.trust,
		NextSequence: func(ctx context.Context, to mft.AgentName) (n uint64, err error) {
			err = e.journal.Update(ctx, func(tx *journal.Tx) (err error) {
				n, err = tx.NextSequence(to, e.clock())
				return err
			})
			return n, err
		},
		Opened: e.opened, Answered: e.answered,
		UnderWay:  func(_ context.Context, id mft.TransferID) (bool, error) { return e.sending(id) != nil, nil },
		Delivered: e.wasDelivered,
		Late:      func(context.Context, mft.AgentName, mft.TransferID) error { return nil },
		Reached:   func() {},
		PutAside: func(reason error) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.aside = append(e.aside, reason)
		},
		Delays: mailbox.Delays{
			Lease: 400 * time.Millisecond, First: time.Millisecond, Busy: 5 * time.Millisecond, Pause: time.Millisecond, LongPause: 8 * time.Millisecond,
		},
		Now: func() time.Time { return e.clock() }, Log: slog.New(slog.DiscardHandler),
	})
	must(e.t, err)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ctx, e.cancel = context.WithCancel(context.Background())
	ctx := e.ctx
	e.hands.Go(func() { e.courier.Run(ctx) })
	for _, s := range e.sends {
		e.hands.Go(func() { e.work(ctx, s) })
	}
}

// die ends a life, wherever everything stands.
func (e *end) die() {
	e.t.Helper()
	e.mu.Lock()
	e.cancel()
	e.ctx = nil
	e.mu.Unlock()
	e.hands.Wait()
	must(e.t, e.journal.Close())
}

// ship begins to send.
func (e *end) ship(s *shipment) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sends[s.id] = s
	if ctx := e.ctx; ctx != nil {
		e.hands.Go(func() { e.work(ctx, s) })
	}
}

func (e *end) sending(id mft.TransferID) *shipment {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sends[id]
}

// wasDelivered reports whether a transfer has its receipt: all that end do.
func (e *end) wasDelivered(_ context.Context, id mft.TransferID) (bool, error) {
	return e.sending(id) == nil, nil
}

func (e *end) answered(id mft.TransferID) {
	if s := e.sending(id); s != nil {
		s.poke()
	}
}

// work attempts to send until it has the receipt, or the life ends.
func (e *end) work(ctx context.Context, s *shipment) {
	for ctx.Err() == nil {
		receipt, err := e.attempt(ctx, s)
		if err == nil {
			e.mu.Lock()
			delete(e.sends, s.id)
			e.mu.Unlock()
			_ = e.courier.Discard(ctx, s.id) // else it is swept
			s.finish(receipt)
			return
		}
		s.note(err)
		if s.between != nil {
			s.between()
		}
		retry := time.NewTimer(2 * time.Millisecond)
		var parked *talk.Parked
		if errors.As(err, &parked) {
			retry.Reset(time.Hour)
		}
		select {
		case <-ctx.Done():
		case <-s.heard:
		case <-retry.C:
		}
		retry.Stop()
	}
}

// attempt makes one attempt at sending, as package agent does.
func (e *end) attempt(ctx context.Context, s *shipment) (mft.Receipt, error) {
	offer := mft.Offer{
		Transfer: s.id, Sender: e.name, Recipient: s.to.name, Destination: s.dst + "/", Overwrite: s.overwrite, Compare: mft.CompareQuick, Streams: 1,
	}
	out, err := e.courier.Outgoing(ctx, mft.Transfer{ID: s.id, Peer: s.to.name}, true, func(context.Context) (mft.Offer, error) { return offer, nil })
	if err != nil {
		return mft.Receipt{}, err
	}
	defer out.Recorder.Close()
	defer out.Close()
	if err := out.Waits(); err != nil {
		return mft.Receipt{}, err
	}
	src, err := scan.Open(s.src + "/")
	if err != nil {
		return mft.Receipt{}, err
	}
	defer src.Close()
	receipt, _, err := sender.Run(ctx, out, sender.Outgoing{
		Offer: out.Offer, Sources: []*scan.Source{src}, Watch: out.Watch, Meter: new(transfer.Meter), Note: func(mft.EventKind, mft.Code, string) {},
	})
	return receipt, err
}

// opened deals with a letter that opens a conversation, as package agent does.
func (e *end) opened(ctx context.Context, v courier.Conversation) error {
	receipt, _, delivered, err := e.journal.Receipt(ctx, v.Opening.Transfer)
	switch {
	case err != nil:
		return err
	case v.Opening.Kind == protocol.KindAvailable:
		return e.available(ctx, v)
	case delivered:
		e.delivered(ctx, v.Opening.Transfer)
		return v.Answer(ctx, protocol.KindReceipt, protocol.AppendReceipt(nil, &receipt))
	}
	d := mft.Decision{Code: mft.CodeOK}
	return v.Answer(ctx, protocol.KindDecision, protocol.AppendDecision(nil, &d))
}

// claim takes the turn of a transfer.
func (e *end) claim(id mft.TransferID) (release func(), ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.busy[id] {
		return nil, false
	}
	e.busy[id] = true
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.busy, id)
	}, true
}

// available receives a parcel.
func (e *end) available(ctx context.Context, v courier.Conversation) error {
	id := v.Opening.Transfer
	release, ok := e.claim(id)
	if !ok {
		return mft.Fail(mft.CodeBusy, "receive", id.String(), nil)
	}
	defer release()
	if receipt, _, delivered, err := e.journal.Receipt(ctx, id); err != nil || delivered {
		if err == nil {
			e.delivered(ctx, id)
			err = v.Answer(ctx, protocol.KindReceipt, protocol.AppendReceipt(nil, &receipt))
		}
		return err
	}
	in, err := v.Incoming()
	if err != nil {
		return err
	}
	defer in.Close()
	post := in.Post
	in.Post = func(ctx context.Context, kind protocol.Kind, body []byte) error {
		if kind == protocol.KindReceipt {
			e.delivered(ctx, id)
		}
		return post(ctx, kind, body)
	}
	offer := in.Available.Offer
	landing := journal.Landing{Root: filepath.Clean(offer.Destination)}
	err = e.journal.Update(ctx, func(tx *journal.Tx) error {
		if _, known, err := tx.Transfer(id); err != nil || known {
			return err
		}
		if err := tx.Witness(v.Opening.Sender, v.Opening.KeyID, v.Opening.Sequence); err != nil {
			return err
		}
		err := tx.Create(mft.Transfer{
			ID: id, Role: mft.RoleReceive, Peer: offer.Sender, State: mft.StateRunning, Destination: offer.Destination,
			Overwrite: offer.Overwrite, Created: time.Now(), Updated: time.Now(),
		})
		if err != nil {
			return err
		}
		return tx.SetLanding(id, landing)
	})
	if mft.CodeOf(err) == mft.CodeReplayed {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = receiver.Run(ctx, in, receiver.Incoming{
		Offer: offer, Landing: landing, Ledger: ledger.Of(e.journal, offer.Transfer), Meter: new(transfer.Meter), Note: func(mft.EventKind, mft.Code, string) {},
		Parcel: true,
	})
	if err != nil {
		err = in.Because(err)
		e.mu.Lock()
		e.refused = append(e.refused, err)
		e.mu.Unlock()
	}
	var useless *talk.Useless
	if errors.As(err, &useless) {
		f := protocol.Failure{Code: useless.Code, Detail: mft.ReasonOf(err).Detail}
		return v.Answer(ctx, protocol.KindAbort, protocol.AppendFailure(nil, &f))
	}
	return err
}
