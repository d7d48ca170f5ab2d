package receiver

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/receiver/remember"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/transfer/sender"
	"mft.dev/mft/transfer/staging"
	"mft.dev/mft/trigger/selection"
)

// conversation is a control connection made of channels, with data
// connections over loopback TCP.
type conversation struct {
	id       mft.TransferID
	out, in  chan *protocol.Envelope
	forge    func(*protocol.Envelope) // what comes in; may be nil
	over     context.Context          // ends, with a cause, when the conversation is cut or the other end aborts
	endOther context.CancelCauseFunc
	data     chan net.Conn // made by dial, taken by the other end
	dial     func() (mine, theirs net.Conn, err error)
}

func (c *conversation) Send(ctx context.Context, kind protocol.Kind, body []byte) error {
	if kind == protocol.KindAbort {
		f, err := protocol.ParseFailure(body)
		if err == nil {
			c.endOther(mft.Fail(f.Code, "talk", "", errors.New(f.Detail)))
		}
		return err
	}
	select {
	case c.out <- &protocol.Envelope{Kind: kind, Transfer: c.id, Body: bytes.Clone(body)}:
		return nil
	case <-c.over.Done():
		return context.Cause(c.over)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *conversation) Receive(ctx context.Context) (*protocol.Envelope, error) {
	select {
	case e := <-c.in:
		if c.forge != nil {
			c.forge(e)
		}
		return e, nil
	case <-c.over.Done():
		return nil, context.Cause(c.over)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *conversation) DataKey() [32]byte { return [32]byte{} }

func (c *conversation) Streams() int { return 1 }

func (c *conversation) OpenData(ctx context.Context, _ [32]byte, _ int) (net.Conn, error) {
	if c.dial != nil {
		mine, theirs, err := c.dial()
		if err != nil {
			return nil, err
		}
		c.data <- theirs
		return mine, nil
	}
	select {
	case conn := <-c.data:
		return conn, nil
	case <-c.over.Done():
		return nil, context.Cause(c.over)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// converse returns the two ends of a fresh conversation about id. cut ends it.
// wrap may change the sender's data connection.
func converse(t testing.TB, id mft.TransferID, wrap func(net.Conn) net.Conn) (sender, receiver *conversation, cut func()) {
	t.Helper()
	there, back := make(chan *protocol.Envelope, 8), make(chan *protocol.Envelope, 8)
	data := make(chan net.Conn, 1)
	dial := func() (net.Conn, net.Conn, error) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		defer ln.Close()
		mine, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			return nil, nil, err
		}
		theirs, err := ln.Accept()
		if wrap != nil {
			mine = wrap(mine)
		}
		return mine, theirs, err
	}
	overThere, endThere := context.WithCancelCause(context.Background())
	overHere, endHere := context.WithCancelCause(context.Background())
	sender = &conversation{id: id, out: there, in: back, over: overHere, endOther: endThere, data: data, dial: dial}
	receiver = &conversation{id: id, out: back, in: there, over: overThere, endOther: endHere, data: data}
	return sender, receiver, func() {
		gone := mft.Fail(mft.CodeDisconnected, "talk", "", nil)
		endThere(gone)
		endHere(gone)
	}
}

// A fixture is one transfer between two directories of a test.
type fixture struct {
	t        testing.TB
	id       mft.TransferID
	src, dst string
	journal  *journal.Journal
	offer    mft.Offer
	landing  journal.Landing
	step     staging.Stepper
	own      func(context.Context) error
	wrap     func(net.Conn) net.Conn
	forge    func(*protocol.Envelope) // what comes to the sender
	undialed string                   // the end whose data connection cannot be dialled
	sources  []string                 // as an operator types them; default the contents of src
	choose   selection.Choose
	lastTry  bool
	memory   remember.Memory
	over     chan struct{} // closed when the receiver's end of an attempt is over
	compress mft.Compress
	sent     transfer.Meter
	received transfer.Meter

	mu    sync.Mutex
	notes []string
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{t: t, src: filepath.Join(t.TempDir(), "src"), dst: filepath.Join(t.TempDir(), "dst")}
	for _, dir := range []string{f.src, f.dst} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	j, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	f.journal = j
	f.again()
	f.landing = journal.Landing{Root: f.dst}
	f.offer = mft.Offer{
		Sender: "alpha", Recipient: "beta", Destination: f.dst + "/",
		Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick,
	}
	f.sources = []string{f.src + "/"}
	return f
}

// again gives the fixture a new transfer.
func (f *fixture) again() {
	for i := range f.id {
		f.id[i] = byte(rand.Uint32())
	}
}

// accept journals what the agent does before Receive.
func (f *fixture) accept() {
	f.t.Helper()
	err := f.journal.Update(f.t.Context(), func(tx *journal.Tx) error {
		if _, ok, err := tx.Transfer(f.id); err != nil || ok {
			return err
		}
		err := tx.Create(mft.Transfer{
			ID: f.id, Role: mft.RoleReceive, Peer: "alpha", State: mft.StateRunning,
			Destination: f.offer.Destination, Overwrite: f.offer.Overwrite, Created: time.Now(), Updated: time.Now(),
		})
		if err != nil {
			return err
		}
		return tx.SetLanding(f.id, f.landing)
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) note(kind mft.EventKind, code mft.Code, detail string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notes = append(f.notes, string(kind)+" "+string(code)+" "+detail)
}

// result is how both ends of an attempt ended.
type result struct {
	sent, received      mft.Receipt
	signed              *protocol.Envelope // that sent came in
	sendErr, receiveErr error
}

// attempt runs both ends once.
func (f *fixture) attempt(ctx context.Context) result {
	f.t.Helper()
	f.accept()
	over := make(chan struct{})
	f.over = over
	a, b, cut := converse(f.t, f.id, f.wrap)
	a.forge = f.forge
	undialable := func() (net.Conn, net.Conn, error) {
		return nil, nil, mft.Fail(mft.CodeUnreachable, "dial", "", errors.New("nobody is there"))
	}
	switch f.undialed {
	case "sender":
		a.dial = undialable
	case "receiver":
		a.dial, b.dial = nil, undialable
	}
	var sources []*scan.Source
	for _, p := range f.sources {
		s, err := scan.Open(p)
		if err != nil {
			f.t.Fatal(err)
		}
		defer s.Close()
		s.Choose = f.choose
		sources = append(sources, s)
	}
	f.offer.Transfer = f.id
	var res result
	var both sync.WaitGroup
	both.Go(func() {
		defer cut()
		end := sync.OnceFunc(func() { close(over) })
		defer end()
		e, err := b.Receive(ctx)
		if err != nil {
			res.receiveErr = err
			return
		}
		offer, err := e.Offer()
		if err != nil {
			res.receiveErr = err
			return
		}
		res.received, res.receiveErr = run(ctx, b, Incoming{
			Offer: offer, Landing: f.landing, Ledger: ledger.Of(f.journal, f.id), Meter: &f.received, Note: f.note, Own: f.own,
			Memory: f.memory,
		}, f.step)
		end()
		// The control connection outlives the conversation, as it does in
		// an agent; the sender has what was sent before it hears of the cut.
		for len(b.out) > 0 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
	})
	both.Go(func() {
		res.sent, res.signed, res.sendErr = sender.Run(ctx, a, sender.Outgoing{Offer: f.offer, Sources: sources, LastTry: f.lastTry, Compress: f.compress, Meter: &f.sent, Note: f.note})
		if res.sendErr != nil {
			cut()
		}
	})
	both.Wait()
	return res
}

// deliver runs one attempt that has to succeed.
func (f *fixture) deliver() result {
	f.t.Helper()
	res := f.attempt(f.t.Context())
	if res.sendErr != nil || res.receiveErr != nil {
		f.t.Fatalf("attempt: send %v, receive %v", res.sendErr, res.receiveErr)
	}
	return res
}

// write makes a file in the source.
func (f *fixture) write(name string, content []byte, mode fs.FileMode) {
	f.t.Helper()
	p := filepath.Join(f.src, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(p, content, 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Chmod(p, mode); err != nil {
		f.t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour).Truncate(time.Microsecond)
	if err := os.Chtimes(p, old, old); err != nil {
		f.t.Fatal(err)
	}
}

// arrived reports the tree below dir, one line of facts for each path.
func arrived(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := make(map[string]string)
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || p == dir {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		facts := fi.Mode().String() + " " + fi.ModTime().UTC().Format(time.RFC3339Nano)
		switch {
		case fi.Mode().IsRegular():
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			facts += " " + protocol.HashOf(b).String()
		case fi.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			facts = "-> " + target
		}
		got[rel] = facts
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// randomBytes returns n bytes that do not compress.
func randomBytes(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1], key[2] = byte(seed), byte(seed>>8), byte(seed>>16)
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b)
	return b
}

// old puts a file at the destination, as an earlier transfer would have left it.
func (f *fixture) old(name string, content []byte) {
	f.t.Helper()
	p := filepath.Join(f.dst, name)
	if err := os.WriteFile(p, content, 0o644); err != nil {
		f.t.Fatal(err)
	}
	before := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(p, before, before); err != nil {
		f.t.Fatal(err)
	}
}

// scattered returns b with n changes of size bytes.
func scattered(b []byte, n, size int) []byte {
	b = slices.Clone(b)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		copy(b[r.IntN(len(b)-size):], randomBytes(uint64(1000+i), size))
	}
	return b
}
