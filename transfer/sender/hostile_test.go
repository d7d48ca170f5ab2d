package sender

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/protocol/patch"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/scan"
)

// peer is a conversation with a receiver that says what it was told to say.
type peer struct {
	decision mft.Decision
	answers  chan *protocol.Envelope
	data     net.Conn
	sealed   chan mft.Seal
}

func (p *peer) Send(_ context.Context, kind protocol.Kind, body []byte) error {
	switch kind {
	case protocol.KindOffer:
		p.answers <- &protocol.Envelope{Kind: protocol.KindDecision, Body: protocol.AppendDecision(nil, &p.decision)}
	case protocol.KindSeal:
		seal, err := protocol.ParseSeal(body)
		if err != nil {
			return err
		}
		p.sealed <- seal
	}
	return nil
}

func (p *peer) Receive(ctx context.Context) (*protocol.Envelope, error) {
	select {
	case e := <-p.answers:
		return e, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *peer) DataKey() [32]byte { return [32]byte{} }

func (p *peer) Streams() int { return 1 }

func (p *peer) OpenData(context.Context, [32]byte, int) (net.Conn, error) { return p.data, nil }

// runAgainst has Run send the contents of dir to a receiver that writes raw on
// the data connection, and reads whatever comes.
func runAgainst(t testing.TB, dir string, p *peer, raw []byte) (mft.Receipt, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if p.data, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	theirs, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	p.answers, p.sealed = make(chan *protocol.Envelope, 8), make(chan mft.Seal, 1)
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = theirs.Write(raw)
		_ = theirs.(*net.TCPConn).CloseWrite()
	})
	both.Go(func() { _, _ = io.Copy(io.Discard, theirs) })
	src, err := scan.Open(dir + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	receipt, _, err := Run(ctx, p, Outgoing{
		Offer:   mft.Offer{Destination: "/in/", Overwrite: mft.OverwriteReplace},
		Sources: []*scan.Source{src}, Meter: new(transfer.Meter), Note: func(mft.EventKind, mft.Code, string) {},
	})
	p.data.Close() // Run does, unless it was refused
	both.Wait()
	return receipt, err
}

func frame(k protocol.FrameKind, payload []byte) []byte {
	n := len(payload)
	return append([]byte{byte(k), byte(n >> 16), byte(n >> 8), byte(n)}, payload...)
}

func want(w protocol.Want) []byte {
	return frame(protocol.FrameWant, protocol.AppendWant(nil, &w))
}

func TestHostileReceiver(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	committed := func(first, n uint64) []byte {
		return frame(protocol.FrameCommitted, protocol.AppendRange(nil, &protocol.Range{First: first, Count: n}))
	}
	itemFail := func(i uint64) []byte {
		return frame(protocol.FrameItemFail, protocol.AppendItemFail(nil, &protocol.ItemFail{Index: i, Code: mft.CodeIO}))
	}
	answer := func(first, n uint64) []byte {
		return frame(protocol.FrameAnswers, listing.AppendAnswers(nil, &listing.Answers{First: first, Count: n}))
	}
	differ := func(first uint64, prints int) []byte {
		a := listing.Answers{First: first, Count: 1, Answer: listing.Differ, Prints: make(listing.Prints, 6*prints)}
		return frame(protocol.FrameAnswers, listing.AppendAnswers(nil, &a))
	}
	send := protocol.Want{First: 0, Count: 1, Verdict: protocol.Send}
	tests := []struct {
		name string
		raw  []byte
		code mft.Code
	}{
		{"closes at once", nil, mft.CodeDisconnected},
		{"wants what is not there", want(protocol.Want{First: 7, Count: 1, Verdict: protocol.Send}), mft.CodeProtocol},
		{"wants more than there is", want(protocol.Want{First: 0, Count: 1 << 40, Verdict: protocol.Send}), mft.CodeProtocol},
		{"has what is not there", want(protocol.Want{First: 7, Count: 1, Verdict: protocol.Have}), mft.CodeProtocol},
		{"wants twice", append(want(send), want(send)...), mft.CodeProtocol},
		{"commits what is not there", committed(3, 1), mft.CodeProtocol},
		{"commits without a verdict", committed(0, 1), mft.CodeProtocol},
		{"commits without end", append(want(send), committed(0, 1<<40)...), mft.CodeProtocol},
		{"fails what is not there", itemFail(9), mft.CodeProtocol},
		{"speaks like a sender", frame(protocol.FrameEnd, nil), mft.CodeProtocol},
		{"compresses", frame(protocol.FrameZstd, []byte("\x20\x03 zstd")), mft.CodeProtocol},
		{"speaks nonsense", []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), mft.CodeProtocol},
		{"sends marks of nothing and ends", frame(protocol.FrameMarks, patch.AppendMarks(nil, &patch.Marks{Index: 3})), mft.CodeDisconnected},
		{"answers what was not asked", frame(protocol.FrameFine, nil), mft.CodeProtocol},
		{"has an old version without end", want(protocol.Want{First: 0, Count: 1, Verdict: protocol.Delta, Old: 1 << 62}), mft.CodeProtocol},
		{"has the same of what is not there", want(protocol.Want{First: 7, Count: 1, Verdict: protocol.Same}), mft.CodeProtocol},
		{"has the same of more than there is", want(protocol.Want{First: 0, Count: 1 << 40, Verdict: protocol.Same}), mft.CodeProtocol},
		{"answers without a listing", answer(3, 1), mft.CodeProtocol},
		{"answers twice", append(answer(0, 1), answer(0, 1)...), mft.CodeProtocol},
		{"answers without end", answer(0, 1<<40), mft.CodeProtocol},
		{"tells prints without a listing", differ(5, 3), mft.CodeProtocol},
		{"tells too many prints", differ(0, 5000), mft.CodeProtocol},
		{"matches like a sender", frame(protocol.FrameMatched, listing.AppendMatched(nil, &listing.Matched{})), mft.CodeProtocol},
		{"lists like a sender", frame(protocol.FrameListings, nil), mft.CodeProtocol},
		{"stops", frame(protocol.FrameFail, protocol.AppendFailure(nil, &protocol.Failure{Code: mft.CodeNoSpace})), mft.CodeNoSpace},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, basis := range []mft.Basis{{}, {Present: true, Listings: true}} {
				_, err := runAgainst(t, dir, &peer{decision: mft.Decision{Code: mft.CodeOK, Streams: 1, Basis: basis}}, tt.raw)
				if got := mft.CodeOf(err); got != tt.code {
					t.Errorf("with basis %+v: Run = %v, want %v", basis, err, tt.code)
				}
			}
		})
	}
}

func TestRefusal(t *testing.T) {
	p := &peer{decision: mft.Decision{Code: mft.CodeNotAllowed, Detail: "not here", RetryIn: time.Minute}}
	_, err := runAgainst(t, t.TempDir(), p, nil)
	var refused *transfer.Refused
	if !errors.As(err, &refused) || refused.Decision.RetryIn != time.Minute {
		t.Fatalf("Run = %v, want a refusal with its delay", err)
	}
	if got := mft.CodeOf(err); got != mft.CodeNotAllowed {
		t.Errorf("code = %v, want %v", got, mft.CodeNotAllowed)
	}
}

// FuzzRun: whatever a receiver writes, Run ends with an error: no receipt came.
func FuzzRun(f *testing.F) {
	dir := f.TempDir()
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte(name), 300<<10), 0o644); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(want(protocol.Want{First: 0, Count: 2, Verdict: protocol.Send}))
	f.Add(want(protocol.Want{First: 1, Count: 1, Verdict: protocol.Resume, Offset: 5}))
	f.Add(slices.Concat(want(protocol.Want{First: 1, Count: 1, Verdict: protocol.Delta, Old: 1 << 20}),
		frame(protocol.FrameMarks, patch.AppendMarks(nil, &patch.Marks{Index: 1, Bytes: make([]byte, 200)})), frame(protocol.FrameFine, nil)))
	f.Add(want(protocol.Want{First: 0, Count: 2, Verdict: protocol.Same}))
	f.Add(frame(protocol.FrameFail, protocol.AppendFailure(nil, &protocol.Failure{Code: "X"})))
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, err := runAgainst(t, dir, &peer{decision: mft.Decision{Code: mft.CodeOK, Streams: 1}}, raw)
		if err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run = %v, want an error at once: there was no receipt", err)
		}
	})
}
