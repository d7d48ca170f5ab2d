package link

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/receiver"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/transfer/sender"
)

// A wide conversation has so many data connections, wherever the peer is.
type wide struct {
	*Conversation
	streams int
}

func (w wide) Streams() int { return w.streams }

// A harness moves one transfer from erp to ledger.
type harness struct {
	*testing.T
	erp, ledger *node
	src, dst    string
	taken       string // where a consumer takes what has arrived
	id          mft.TransferID
	journal     *journal.Journal
	landing     journal.Landing
	shears      *shears
}

// shears cut data connections, at the end that receives, once so much has been
// read from them together.
type shears struct {
	mu       sync.Mutex
	accepted int        // at all
	conns    []net.Conn // of this attempt
	left     int64
	all      bool // every one, not only that which is read from
	moved    int64
	used     map[net.Conn]bool // in this attempt
	struck   bool
}

// arm prepares for an attempt, with no cut if after is negative.
func (s *shears) arm(after int64, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns, s.left, s.all, s.moved, s.struck, s.used = nil, after, all, 0, false, map[net.Conn]bool{}
}

// A tap is a listener whose data connections are under the shears.
type tap struct {
	net.Listener
	s *shears
}

func (l tap) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	s := l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accepted++; err != nil || s.accepted == 1 { // the first is the control connection
		return conn, err
	}
	s.conns = append(s.conns, conn)
	return shorn{conn, s}, nil
}

type shorn struct {
	net.Conn
	s *shears
}

func (c shorn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved += int64(n)
	s.used[c.Conn] = true
	if s.struck || s.left < 0 || s.moved < s.left {
		return n, err
	}
	s.struck = true
	c.Close()
	for _, other := range s.conns {
		if s.all {
			other.Close()
		}
	}
	return n, err
}

func newHarness(t *testing.T) *harness {
	h := &harness{T: t, src: t.TempDir(), dst: t.TempDir(), taken: t.TempDir(), id: transferID(7), shears: &shears{}}
	h.erp, h.ledger = newNode(t, "erp").serve(t, nil), newNode(t, "ledger").serve(t, tap{listen(t), h.shears})
	h.erp.trusts(t, h.ledger.asPeer())
	h.ledger.trusts(t, h.erp.asPeer())
	var err error
	if h.journal, err = journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.journal.Close() })
	h.landing = journal.Landing{Root: h.dst}
	err = h.journal.Update(t.Context(), func(tx *journal.Tx) error {
		err := tx.Create(mft.Transfer{
			ID: h.id, Role: mft.RoleReceive, Peer: "erp", State: mft.StateRunning, Destination: h.dst + "/",
			Overwrite: mft.OverwriteReplace, Created: time.Now(), Updated: time.Now(),
		})
		if err != nil {
			return err
		}
		return tx.SetLanding(h.id, h.landing)
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *harness) write(name string, size int) {
	h.Helper()
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size), name[0]}).Read(content)
	if err := os.WriteFile(filepath.Join(h.src, name), content, 0o644); err != nil {
		h.Fatal(err)
	}
}

// attempt tries to move everything over so many connections.
func (h *harness) attempt(streams int) (receipt mft.Receipt, err error) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), 2*patience)
	defer cancel()
	conv, err := h.erp.Open(ctx, h.ledger.name(), h.id, "")
	if err != nil {
		h.Fatalf("Open: %v", err)
	}
	defer conv.Close()
	source, err := scan.Open(h.src + "/")
	if err != nil {
		h.Fatal(err)
	}
	defer source.Close()
	received := make(chan error, 1)
	go func() { received <- h.receive(ctx) }()
	receipt, _, err = sender.Run(ctx, wide{conv, streams}, sender.Outgoing{
		Offer: mft.Offer{
			Transfer: h.id, Sender: "erp", Recipient: "ledger", Destination: h.dst + "/", Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick,
		},
		Sources: []*scan.Source{source}, Meter: new(transfer.Meter), Note: func(mft.EventKind, mft.Code, string) {},
	})
	if rerr := next(h.T, "the receiver's end", received); (rerr == nil) != (err == nil) {
		h.Logf("the sender ends with %v, the receiver with %v", err, rerr)
	}
	return receipt, err
}

func (h *harness) receive(ctx context.Context) error {
	var conv *Conversation
	select {
	case conv = <-h.ledger.opened:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer conv.Close()
	offer, err := conv.Opening().Offer()
	if err != nil {
		return err
	}
	_, err = receiver.Run(ctx, conv, receiver.Incoming{
		Offer: offer, Landing: h.landing, Ledger: ledger.Of(h.journal, offer.Transfer), Meter: new(transfer.Meter), Note: func(mft.EventKind, mft.Code, string) {},
	})
	return err
}

// take takes away what has arrived, and fails the test if that was taken before.
func (h *harness) take() {
	h.Helper()
	names, err := os.ReadDir(h.dst)
	if err != nil {
		h.Fatal(err)
	}
	for _, e := range names {
		if scan.IsStaging(e.Name()) {
			continue
		}
		to := filepath.Join(h.taken, e.Name())
		if _, err := os.Lstat(to); err == nil {
			h.Errorf("%s arrived twice", e.Name())
		}
		if err := os.Rename(filepath.Join(h.dst, e.Name()), to); err != nil {
			h.Fatal(err)
		}
	}
}

// same fails the test unless what was taken is what was sent.
func (h *harness) same() {
	h.Helper()
	sent, err := os.ReadDir(h.src)
	if err != nil {
		h.Fatal(err)
	}
	for _, e := range sent {
		want, err := os.ReadFile(filepath.Join(h.src, e.Name()))
		if err != nil {
			h.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(h.taken, e.Name())); err != nil || !bytes.Equal(got, want) {
			h.Errorf("%s did not arrive as it was sent: %v", e.Name(), err)
		}
	}
	if got, err := os.ReadDir(h.taken); err != nil || len(got) != len(sent) {
		h.Errorf("%d files arrived, want %d (%v)", len(got), len(sent), err)
	}
	if left, err := os.ReadDir(h.dst); err != nil || len(left) > 0 {
		h.Errorf("there is %v left at the destination (%v)", left, err)
	}
}

// TestTransferOverSeveral sends a whole transfer over several data connections.
// When one of them is cut in the middle, or all are, the next attempt goes on
// where the last one was verified: each file arrives whole, and once, although a
// consumer takes it away as soon as it is there.
func TestTransferOverSeveral(t *testing.T) {
	const (
		streams = 4
		small   = 40
		size    = 56 << 20
		cut     = 40 << 20 // behind the second CHECK
		good    = 32 << 20
	)
	for _, tt := range []struct {
		name string
		cuts int
		all  bool
	}{
		{"nothing happens", 0, false},
		{"one is cut", 1, false},
		{"one is cut, and again", 2, false},
		{"all are cut", 1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t)
			for i := range small {
				h.write(fmt.Sprintf("a%02d", i), 1000+i)
			}
			h.write("big", size)
			h.write("z", 300)
			after := int64(cut)
			for i := range tt.cuts {
				h.shears.arm(after, tt.all)
				_, err := h.attempt(streams)
				if code := mft.CodeOf(err); err == nil || !code.Retryable() {
					t.Fatalf("attempt %d with a cut: %v, want one that can be repeated", i+1, err)
				}
				if len(h.shears.used) != streams {
					t.Errorf("%d connections were used, want %d", len(h.shears.used), streams)
				}
				h.take()
				after = 1 << 20
			}
			h.shears.arm(-1, false)
			receipt, err := h.attempt(streams)
			if err != nil {
				t.Fatalf("attempt: %v", err)
			}
			if want := (mft.Count{Items: small + 2, Bytes: receipt.Received.Bytes}); receipt.Code != mft.CodeOK || receipt.Received != want {
				t.Errorf("receipt %+v, want %d items", receipt, want.Items)
			}
			h.take()
			h.same()
			// What was verified does not come again.
			if most := int64(size - good + 1<<20); tt.cuts > 0 && h.shears.moved > most {
				t.Errorf("%d bytes travelled in the last attempt, want at most %d", h.shears.moved, most)
			}
			stored, _, ok, err := h.journal.Receipt(t.Context(), h.id)
			if err != nil || !ok || stored != receipt {
				t.Errorf("the journal has receipt %+v, %v, %v, want %+v", stored, ok, err, receipt)
			}
		})
	}
}
