package foreman

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/lookout"
	"mft.dev/mft/agent/worker/errand"
	"mft.dev/mft/internal/plain"
	"mft.dev/mft/internal/post"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/trigger"
)

// A speaker is a conversation that notes what is said in it.
type speaker struct {
	mu   sync.Mutex
	said []protocol.Kind
}

func (s *speaker) Send(_ context.Context, kind protocol.Kind, _ []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, kind)
	return nil
}

func (*speaker) Receive(context.Context) (*protocol.Envelope, error) {
	return nil, errors.New("nobody speaks")
}
func (*speaker) DataKey() [32]byte { return [32]byte{} }
func (*speaker) Streams() int      { return 1 }

func (*speaker) OpenData(context.Context, [32]byte, int) (net.Conn, error) {
	return nil, errors.New("nobody is there")
}

// paper is a ledger that takes everything.
type paper struct{}

func (paper) Read(context.Context) (ledger.State, error) { return ledger.State{}, nil }
func (paper) Committed(context.Context, func([16]byte, mft.Digest) error) error {
	return nil
}
func (paper) Prepare(context.Context, []journal.Entry) (int64, error) { return 1, nil }
func (paper) Apply(context.Context, ledger.Change) error              { return nil }

var theTransfer = mft.TransferID{1}

// newDesk returns one whose worker is the test.
func newDesk(t *testing.T, offers *mft.Offer) (*desk, *speaker) {
	t.Helper()
	here, there, err := post.Pair()
	if err != nil {
		t.Skip(err)
	}
	heard := make(chan struct{})
	worker, err := post.Open(there)
	if err != nil {
		t.Fatal(err)
	}
	go func() { // it does not care for answers
		defer close(heard)
		for {
			m, err := worker.Receive()
			if err != nil {
				return
			}
			if m.File != nil {
				m.File.Close()
			}
		}
	}()
	s := &speaker{}
	d := &desk{
		transfer: theTransfer, conv: s, ledger: paper{}, meter: new(transfer.Meter), note: func(mft.EventKind, mft.Code, string) {},
		offers: offers, root: "/srv/in", port: errand.New(here), done: make(chan errand.Done, 1),
	}
	t.Cleanup(func() {
		here.Close()
		<-heard
		worker.Close()
	})
	return d, s
}

// asks has a worker say one thing, and returns what comes of it.
func (d *desk) asks(t *testing.T, kind errand.Kind, v any) error {
	t.Helper()
	_, _, err := d.answer(t.Context(), &errand.Said{Kind: kind, ID: 1, Payload: plain.Append(nil, v)})
	return err
}

// TestWorkerSaysWhatItMay: a worker that somebody has taken over speaks for its own
// transfer and in its own part only.
func TestWorkerSaysWhatItMay(t *testing.T) {
	offer := mft.Offer{Transfer: theTransfer, Sender: "erp", Recipient: "ledger", Destination: "/srv/in/", Overwrite: mft.OverwriteNever, Compare: mft.CompareQuick, Streams: 1}
	wider := offer
	wider.Overwrite = mft.OverwriteReplace
	astray := offer
	astray.Destination = "/etc/"
	known := offer
	known.Announced, known.DataKey, known.Streams = mft.Count{Items: 1, Bytes: 2}, [32]byte{3}, 4
	receipt := mft.Receipt{Transfer: theTransfer, Code: mft.CodeOK}
	say := func(kind protocol.Kind, body []byte) errand.Message { return errand.Message{Kind: kind, Body: body} }
	for _, tt := range []struct {
		name  string
		sends bool
		m     errand.Message
		fine  bool
	}{
		{"the offer that was ordered", true, say(protocol.KindOffer, protocol.AppendOffer(nil, &known)), true},
		{"an offer that replaces", true, say(protocol.KindOffer, protocol.AppendOffer(nil, &wider)), false},
		{"an offer to elsewhere", true, say(protocol.KindOffer, protocol.AppendOffer(nil, &astray)), false},
		{"no offer", true, say(protocol.KindOffer, []byte("x")), false},
		{"a seal", true, say(protocol.KindSeal, nil), true},
		{"a receipt by who sends", true, say(protocol.KindReceipt, protocol.AppendReceipt(nil, &receipt)), false},
		{"a request", true, say(protocol.KindRequest, nil), false},
		{"a cancel", false, say(protocol.KindCancel, nil), false},
		{"an offer by who receives", false, say(protocol.KindOffer, protocol.AppendOffer(nil, &offer)), false},
		{"a receipt that is not in the journal", false, say(protocol.KindReceipt, protocol.AppendReceipt(nil, &receipt)), false},
		{"a decision", false, say(protocol.KindDecision, nil), true},
		{"an abort", false, say(protocol.KindAbort, nil), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var offers *mft.Offer
			if tt.sends {
				offers = &offer
			}
			d, s := newDesk(t, offers)
			if err := d.asks(t, errand.KindSend, tt.m); (err == nil) != tt.fine {
				t.Errorf("Send: %v", err)
			}
			if (len(s.said) > 0) != tt.fine {
				t.Errorf("the peer heard %v", s.said)
			}
		})
	}
	t.Run("a receipt that is in the journal", func(t *testing.T) {
		d, s := newDesk(t, nil)
		if err := d.asks(t, errand.KindApply, ledger.Change{Receipt: &receipt}); err != nil {
			t.Fatal(err)
		}
		if err := d.asks(t, errand.KindSend, say(protocol.KindReceipt, protocol.AppendReceipt(nil, &receipt))); err != nil || len(s.said) != 1 {
			t.Errorf("Send: %v, the peer heard %v", err, s.said)
		}
	})
	t.Run("marks of other files", func(t *testing.T) {
		d, _ := newDesk(t, nil)
		if err := d.asks(t, errand.KindForget, errand.Forget{Path: "/srv/other/f"}); err == nil {
			t.Error("they may be forgotten")
		}
	})
	t.Run("a receipt that the peer did not give", func(t *testing.T) {
		d, _ := newDesk(t, &offer)
		e := protocol.Envelope{
			Version: protocol.Version, Kind: protocol.KindReceipt, Transfer: theTransfer, Sender: "ledger", Recipient: "erp",
			Body: protocol.AppendReceipt(nil, &receipt),
		}
		if _, _, err := d.sent(errand.Done{Envelope: protocol.AppendEnvelope(nil, &e)}); err == nil {
			t.Error("it is taken for one")
		}
	})
}

// TestWorkerFindsWhatItMay: a worker that somebody has taken over names nothing outside of
// its own source, and tells only who asked of what it finds.
func TestWorkerFindsWhatItMay(t *testing.T) {
	for name, tt := range map[string]struct {
		path string
		fine bool
	}{
		"the root":       {"", true},
		"a file":         {"a/b", true},
		"not clean":      {"a//b", false},
		"above":          {"../b", false},
		"above in it":    {"a/../../b", false},
		"absolute":       {"/srv/other", false},
		"the root again": {".", false},
		"far too long":   {strings.Repeat("x/", maxPath) + "x", false},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := newDesk(t, nil)
			var found, hints []string
			d.found = func(f errand.Found) error { found = append(found, f.Path); return nil }
			d.hint = func(h errand.Hint) { hints = append(hints, h.Path) }
			err := d.asks(t, errand.KindFound, errand.PageOf([]errand.Found{{Path: tt.path}}))
			if (err == nil) != tt.fine || (len(found) == 1) != tt.fine {
				t.Errorf("found %q: %v", found, err)
			}
			err = d.heard(t.Context(), errand.Said{Kind: errand.KindHint, Payload: plain.Append(nil, errand.Hint{Path: tt.path})})
			if (err == nil) != tt.fine || (len(hints) == 1) != tt.fine {
				t.Errorf("hints %q: %v", hints, err)
			}
		})
	}
	t.Run("a page that is too large", func(t *testing.T) {
		d, _ := newDesk(t, nil)
		d.found = func(errand.Found) error { t.Error("it is heard"); return nil }
		if err := d.asks(t, errand.KindFound, errand.PageOf(make([]errand.Found, errand.PageSize+1))); err == nil {
			t.Error("it is taken")
		}
	})
	t.Run("too many parts", func(t *testing.T) {
		d, _ := newDesk(t, nil)
		d.known = func([]trigger.Part) ([]bool, error) { t.Error("it is asked"); return nil, nil }
		if err := d.asks(t, errand.KindParts, errand.Parts{Parts: make([]trigger.Part, lookout.MaxParts+1)}); err == nil {
			t.Error("they are taken")
		}
	})
	t.Run("in a mirror", func(t *testing.T) {
		d, _ := newDesk(t, nil)
		heard := 0
		d.thing = func(errand.Thing) error { heard++; return nil }
		file := mft.Item{Path: "a/b", Type: mft.ItemFile, Mode: 0o644}
		for _, bad := range []errand.Thing{
			{Item: mft.Item{Path: "../b", Type: mft.ItemFile}},
			{Item: mft.Item{Type: mft.ItemDir}},
			{Item: mft.Item{Path: "b", Type: mft.ItemFile, Size: -1}},
			{Item: mft.Item{Path: "/b"}, Stays: true},
		} {
			if err := d.asks(t, errand.KindThings, errand.Things{Things: []errand.Thing{bad}}); err == nil {
				t.Errorf("%+v is taken", bad)
			}
		}
		if err := d.asks(t, errand.KindThings, errand.Things{Things: make([]errand.Thing, errand.PageSize+1)}); err == nil || heard > 0 {
			t.Errorf("%v, %d were heard", err, heard)
		}
		if err := d.asks(t, errand.KindThings, errand.Things{Things: []errand.Thing{{Item: file}, {Item: mft.Item{Path: "c"}, Stays: true}}}); err != nil || heard != 2 {
			t.Errorf("what there is: %v, %d were heard", err, heard)
		}
	})
	t.Run("in an errand that finds nothing", func(t *testing.T) {
		d, _ := newDesk(t, nil)
		if err := d.asks(t, errand.KindFound, errand.PageOf(make([]errand.Found, 1))); err == nil {
			t.Error("a page is taken")
		}
		if err := d.asks(t, errand.KindThings, errand.Things{Things: make([]errand.Thing, 1)}); err == nil {
			t.Error("things are taken")
		}
		if err := d.asks(t, errand.KindParts, errand.Parts{Parts: make([]trigger.Part, 1)}); err == nil {
			t.Error("parts are taken")
		}
		if err := d.heard(t.Context(), errand.Said{Kind: errand.KindHint, Payload: plain.Append(nil, errand.Hint{})}); err == nil {
			t.Error("a hint is taken")
		}
	})
}

func FuzzDesk(f *testing.F) {
	f.Add(uint8(errand.KindNote), uint32(0), plain.Append(nil, errand.Note{Kind: mft.EventMoving}))
	f.Add(uint8(errand.KindApply), uint32(1), plain.Append(nil, ledger.Change{Staging: "d"}))
	f.Add(uint8(errand.KindPrepare), uint32(2), plain.Append(nil, errand.PrepareOf([]journal.Entry{{Temp: "t", Final: "f"}})))
	f.Add(uint8(errand.KindSend), uint32(3), plain.Append(nil, errand.Message{Kind: protocol.KindDecision}))
	f.Add(uint8(errand.KindCommitted), uint32(4), plain.Append(nil, errand.Committed{From: -1}))
	f.Add(uint8(errand.KindDone), uint32(0), plain.Append(nil, errand.Done{Failure: &errand.Failure{Code: mft.CodeIO}}))
	f.Add(uint8(errand.KindPlain), uint32(5), plain.Append(nil, errand.Plain{Streams: 1}))
	f.Add(uint8(errand.KindFound), uint32(6), plain.Append(nil, errand.PageOf([]errand.Found{{Path: "a/b", Size: 1}, {Path: "../c"}})))
	f.Add(uint8(errand.KindParts), uint32(7), plain.Append(nil, errand.Parts{Parts: []trigger.Part{{Dir: 1, Look: 2, Files: 3}}}))
	f.Add(uint8(errand.KindHint), uint32(0), plain.Append(nil, errand.Hint{Path: "a", Reliable: true}))
	f.Fuzz(func(t *testing.T, kind uint8, id uint32, payload []byte) {
		d, s := newDesk(t, nil)
		astray := func(p string) {
			if p != "" && !filepath.IsLocal(p) {
				t.Errorf("the worker names %q", p)
			}
		}
		d.found = func(f errand.Found) error { astray(f.Path); return nil }
		d.hint = func(h errand.Hint) { astray(h.Path) }
		_ = d.heard(t.Context(), errand.Said{Kind: errand.Kind(kind), ID: id, Payload: payload}) // any error is right
		d.all.Wait()
		for _, kind := range s.said {
			if kind != protocol.KindDecision && kind != protocol.KindAbort {
				t.Errorf("the peer heard %v of one who receives", kind)
			}
		}
		select {
		case done := <-d.done:
			if done.Failure != nil && done.Failure.Err() == nil {
				t.Error("a failure is none")
			}
		default:
		}
	})
}
