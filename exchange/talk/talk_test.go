package talk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/parcel"
	"mft.dev/mft/exchange/recall"
	"mft.dev/mft/exchange/record"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/relay"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/receiver"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/transfer/sender"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is a container in memory, which fails when it is told to.
type store struct {
	mu           sync.Mutex
	blocks       map[string]map[int][]byte
	published    map[string][]byte
	staged, read int
	failStage    int // the n-th from now fails, once
	failRead     int
	onStage      func(block int) // called before each part is staged
}

func (s *store) Stage(_ context.Context, name string, block int, content []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failStage--; s.failStage == 0 {
		return mft.Fail(mft.CodeUnreachable, "stage", name, errors.New("the storage is away"))
	}
	if s.onStage != nil {
		s.onStage(block)
	}
	s.staged++
	if s.blocks == nil {
		s.blocks, s.published = map[string]map[int][]byte{}, map[string][]byte{}
	}
	if _, ok := s.published[name]; ok {
		return mft.Fail(mft.CodeExists, "stage", name, nil)
	}
	if s.blocks[name] == nil {
		s.blocks[name] = map[int][]byte{}
	}
	s.blocks[name][block] = bytes.Clone(content)
	return nil
}

func (s *store) Publish(_ context.Context, name string, blocks int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var whole []byte
	for i := range blocks {
		b, ok := s.blocks[name][i]
		if !ok {
			return mft.Fail(mft.CodeNotFound, "publish", name, fmt.Errorf("block %d is not staged", i))
		}
		whole = append(whole, b...)
	}
	s.published[name] = whole
	return nil
}

func (s *store) Grant(_ context.Context, name string, life time.Duration) (exchange.Grant, error) {
	return exchange.Grant{Ref: name, Until: time.Now().Add(life)}, nil
}

func (s *store) Remove(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.blocks, name)
	delete(s.published, name)
	return nil
}

func (s *store) List(_ context.Context, yield func(exchange.Object) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.blocks {
		if !yield(exchange.Object{Name: name}) {
			break
		}
	}
	return nil
}

func (s *store) fetch(ref string) parcel.Fetch {
	return func(ctx context.Context, offset int64, p []byte) error { return s.Read(ctx, ref, offset, p) }
}

func (s *store) Read(_ context.Context, ref string, offset int64, p []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failRead--; s.failRead == 0 {
		return mft.Fail(mft.CodeExpired, "read", "", errors.New("the grant has ended"))
	}
	s.read++
	whole, ok := s.published[ref]
	if !ok || offset > int64(len(whole)) || copy(p, whole[offset:]) < len(p) {
		return mft.Fail(mft.CodeNotFound, "read", ref, nil)
	}
	return nil
}

// atOnce is how many parts are moved at a time.
const atOnce = 2

// fixture is one transfer between two directories, through a store.
type fixture struct {
	t              testing.TB
	id             mft.TransferID
	src, dst, dir  string
	store          store
	part           int // content of a part, 0 for that of large ones
	journal        *journal.Journal
	compare        mft.Compare
	sent, received transfer.Meter
	letters        []*protocol.Envelope
	decision       *protocol.Envelope
	receipt        *protocol.Envelope
	// What the sender remembers, nil for nothing, and which transfers it knows to
	// have been delivered.
	memory    *recall.Memory
	place     string // what it calls the destination, if not that
	useless   bool   // the receiver could not use the parcel
	delivered map[mft.TransferID]bool
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	top := t.TempDir()
	f := &fixture{t: t, src: filepath.Join(top, "src"), dst: filepath.Join(top, "dst"), dir: filepath.Join(top, "relay"), compare: mft.CompareQuick}
	for _, dir := range []string{f.src, f.dst, f.dir} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	j, err := journal.Open(t.Context(), filepath.Join(top, "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	f.journal = j
	f.again()
	d := mft.Decision{Code: mft.CodeOK}
	f.decision = &protocol.Envelope{Kind: protocol.KindDecision, Body: protocol.AppendDecision(nil, &d)}
	return f
}

func (f *fixture) again() {
	for i := range f.id {
		f.id[i] = byte(rand.Uint32())
	}
	f.receipt, f.letters = nil, nil
}

func (f *fixture) write(name string, content []byte) {
	f.t.Helper()
	p := filepath.Join(f.src, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(p, content, 0o640); err != nil {
		f.t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour).Truncate(time.Microsecond)
	if err := os.Chtimes(p, old, old); err != nil {
		f.t.Fatal(err)
	}
}

func noise(n int) []byte {
	p := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)})
	_, _ = r.Read(p)
	return p
}

func (f *fixture) offer() mft.Offer {
	return mft.Offer{
		Transfer: f.id, Sender: "alpha", Recipient: "beta", Destination: f.dst + "/",
		Overwrite: mft.OverwriteReplace, Compare: f.compare, Streams: 1,
	}
}

// post keeps letters, as the peer would find them.
func (f *fixture) post(_ context.Context, kind protocol.Kind, body []byte) error {
	f.letters = append(f.letters, &protocol.Envelope{Kind: kind, Transfer: f.id, Sender: "alpha", Recipient: "beta", Body: bytes.Clone(body)})
	return nil
}

// send makes one attempt at sending.
func (f *fixture) send() error {
	f.t.Helper()
	block := 1 << 20
	if f.part > 0 {
		block = f.part + parcel.Overhead
	}
	order := record.Order{
		Transfer: f.id, Container: &f.store, Sizes: exchange.Sizes{MinBlock: 1, MaxBlock: block, MaxBlocks: 50_000}, Dir: f.dir, AtOnce: atOnce,
	}
	var watch func(*mft.Item) sender.Watcher
	if offer := f.offer(); f.memory != nil {
		if f.place != "" {
			offer.Destination = f.place + "/"
		}
		before := f.memory.For(f.t.Context(), &offer)
		order.Memory, watch = before, before.Watch
	}
	r, err := record.Open(order)
	if err != nil {
		f.t.Fatal(err)
	}
	defer r.Close()
	if f.useless {
		f.useless = false
		if err := r.Again(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
		f.letters = nil
	}
	src, err := scan.Open(f.src + "/")
	if err != nil {
		f.t.Fatal(err)
	}
	defer src.Close()
	out := &Outgoing{
		Offer: f.offer(), Recorder: r, Post: f.post, Decision: f.decision, Receipt: f.receipt, Told: len(f.letters) > 0,
		Grant: func(ctx context.Context, object string) (exchange.Grant, error) {
			return f.store.Grant(ctx, object, time.Minute)
		},
	}
	out.Begin()
	_, _, err = sender.Run(f.t.Context(), out, sender.Outgoing{
		Offer: f.offer(), Sources: []*scan.Source{src}, Watch: watch, Meter: &f.sent, Note: func(mft.EventKind, mft.Code, string) {},
	})
	out.Close()
	return err
}

// receive makes one attempt at receiving what the last letter says.
func (f *fixture) receive() (mft.Receipt, error) {
	f.t.Helper()
	a, err := relay.Of(f.letters[len(f.letters)-1])
	if err != nil {
		f.t.Fatal(err)
	}
	err = f.journal.Update(f.t.Context(), func(tx *journal.Tx) error {
		if _, ok, err := tx.Transfer(f.id); err != nil || ok {
			return err
		}
		err := tx.Create(mft.Transfer{
			ID: f.id, Role: mft.RoleReceive, Peer: "alpha", State: mft.StateRunning, Destination: a.Offer.Destination,
			Overwrite: a.Offer.Overwrite, Created: time.Now(), Updated: time.Now(),
		})
		if err != nil {
			return err
		}
		return tx.SetLanding(f.id, journal.Landing{Root: f.dst})
	})
	if err != nil {
		f.t.Fatal(err)
	}
	in := &Incoming{Available: a, Reader: &f.store, AtOnce: atOnce, Post: func(_ context.Context, kind protocol.Kind, body []byte) error {
		f.receipt = &protocol.Envelope{Kind: kind, Transfer: f.id, Sender: "beta", Recipient: "alpha", Body: bytes.Clone(body)}
		return nil
	}}
	in.Begin()
	receipt, err := receiver.Run(f.t.Context(), in, receiver.Incoming{
		Offer: a.Offer, Landing: journal.Landing{Root: f.dst}, Ledger: ledger.Of(f.journal, f.id), Meter: &f.received, Note: func(mft.EventKind, mft.Code, string) {},
		Parcel: true,
	})
	if err != nil {
		var u *Useless
		f.useless = errors.As(in.Because(err), &u) && u.Code == mft.CodeOutdated
	} else if f.delivered != nil {
		f.delivered[f.id] = true
	}
	in.Close()
	return receipt, err
}

// parked makes an attempt at sending that hands everything to the exchange.
func (f *fixture) parked(want protocol.Kind) {
	f.t.Helper()
	var p *Parked
	if err := f.send(); !errors.As(err, &p) || p.For != want {
		f.t.Fatalf("send: %v, want it parked for a %v", err, want)
	}
}

func (f *fixture) arrives() mft.Receipt {
	f.t.Helper()
	r, err := f.receive()
	if err != nil {
		f.t.Fatalf("receive: %v", err)
	}
	return r
}

// tree is what lies below dir.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		got[rel] = fi.Mode().String()
		if fi.Mode().IsRegular() {
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			got[rel] += fi.ModTime().String() + protocol.HashOf(b).String()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func (f *fixture) same() {
	f.t.Helper()
	want, got := tree(f.t, f.src), tree(f.t, f.dst)
	if diff := cmp.Diff(want, got); diff != "" {
		f.t.Errorf("what arrived is not what was sent (-want +got):\n%s", diff)
	}
}

// fill makes a tree with all kinds of items: 5 MiB, some of it in big files.
func (f *fixture) fill() {
	for i := range 40 {
		f.write(fmt.Sprintf("d%d/small%d", i%3, i), noise(100*i))
	}
	f.write("big", noise(3<<20))
	f.write("d1/big", noise(1<<20+77))
	f.write("empty", nil)
	if err := os.Symlink("big", filepath.Join(f.src, "link")); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(f.src, "d1/big"), 30<<20); err != nil { // a hole
		f.t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(f.src, "d1/big"), old, old); err != nil {
		f.t.Fatal(err)
	}
}

// TestWholeTransfer goes the whole way: an offer, a decision, a parcel, a receipt.
func TestWholeTransfer(t *testing.T) {
	f := newFixture(t)
	f.fill()
	yes := f.decision
	f.decision = nil
	f.parked(protocol.KindDecision)
	if n := len(f.letters); n != 1 || f.letters[0].Kind != protocol.KindOffer {
		t.Fatalf("%d letters, the first a %v, want an offer alone", n, f.letters[0].Kind)
	}
	f.decision = yes
	f.parked(protocol.KindReceipt)
	r := f.arrives()
	if want := int64(len(tree(t, f.src))); r.Code != mft.CodeOK || r.Received.Items != want {
		t.Errorf("the receipt is %+v, want %d items", r, want)
	}
	f.same()
	if err := f.send(); err != nil {
		t.Errorf("with the receipt: %v", err)
	}
	if s := f.store.staged; len(f.letters) != 2 {
		t.Errorf("%d letters and %d parts, want the offer and one parcel", len(f.letters), s)
	}
}

// TestNothingTwice: a parcel is not made again while it waits for its receipt, nor
// when that is there.
func TestNothingTwice(t *testing.T) {
	f := newFixture(t)
	f.fill()
	f.parked(protocol.KindReceipt)
	staged := f.store.staged
	f.parked(protocol.KindReceipt)
	if f.store.staged != staged {
		t.Errorf("%d more parts were staged, want none", f.store.staged-staged)
	}
	f.arrives()
	f.same()
	if err := f.send(); err != nil {
		t.Errorf("with the receipt: %v", err)
	}
	if f.store.staged != staged {
		t.Errorf("%d more parts were staged, want none", f.store.staged-staged)
	}
}

// TestInterrupted: whichever part cannot be staged or fetched, going on sends at
// most a part and what came since the last check again, and all arrives.
func TestInterrupted(t *testing.T) {
	clean := newFixture(t)
	clean.fill()
	clean.parked(protocol.KindReceipt)
	clean.arrives()
	parts, reads := clean.store.staged, clean.store.read
	for n := 1; n <= parts; n++ {
		t.Run(fmt.Sprintf("stage %d", n), func(t *testing.T) {
			f := newFixture(t)
			f.src = clean.src
			f.store.failStage = n
			if err := f.send(); mft.CodeOf(err) != mft.CodeUnreachable {
				t.Fatalf("send: %v, want code UNREACHABLE", err)
			}
			f.parked(protocol.KindReceipt)
			f.arrives()
			f.same()
		})
	}
	for n := 1; n <= reads; n++ {
		t.Run(fmt.Sprintf("read %d", n), func(t *testing.T) {
			f := newFixture(t)
			f.src = clean.src
			f.parked(protocol.KindReceipt)
			f.store.failRead = n
			if _, err := f.receive(); mft.CodeOf(err) != mft.CodeExpired {
				t.Fatalf("receive: %v, want code EXPIRED", err)
			}
			f.arrives()
			f.same()
		})
	}
}

// TestUnchanged: what the receiver has is not fetched.
func TestUnchanged(t *testing.T) {
	f := newFixture(t)
	f.fill()
	f.parked(protocol.KindReceipt)
	f.arrives()
	f.again()
	f.write("new", noise(500))
	f.parked(protocol.KindReceipt)
	f.store.read = 0
	r := f.arrives()
	files := int64(0)
	for _, facts := range tree(t, f.src) {
		if facts[0] == '-' {
			files++
		}
	}
	if r.Unchanged.Items < files-1 {
		t.Errorf("the receipt is %+v, want %d files unchanged", r, files-1)
	}
	if f.store.read > 3 {
		t.Errorf("%d parts were fetched, want those of the manifest and of one file", f.store.read)
	}
	f.same()
}

// TestChangedMeanwhile: a file that is another one after an interruption is
// recorded anew, and what the parcel had of it is left lying.
func TestChangedMeanwhile(t *testing.T) {
	f := newFixture(t)
	f.fill()
	f.store.failStage = 3
	if err := f.send(); err == nil {
		t.Fatal("the storage did not fail")
	}
	for name := range tree(t, f.src) {
		if filepath.Base(name) == "big" {
			f.write(name, noise(2<<20+5))
		}
	}
	if err := os.Remove(filepath.Join(f.src, "d0/small3")); err != nil {
		t.Fatal(err)
	}
	f.parked(protocol.KindReceipt)
	f.arrives()
	f.same()
}

// TestManipulated: whatever is done to the letter or the object is refused, and
// nothing wrong appears.
func TestManipulated(t *testing.T) {
	clean := newFixture(t)
	clean.fill()
	for name, spoil := range map[string]func(f *fixture, a *relay.Available){
		"a bit of the object turned":   func(f *fixture, a *relay.Available) { f.store.published[a.Object][100] ^= 1 },
		"the manifest's place moved":   func(_ *fixture, a *relay.Available) { a.Manifest -= 7 },
		"another key":                  func(_ *fixture, a *relay.Available) { a.Key[0] ^= 1 },
		"another seal":                 func(_ *fixture, a *relay.Available) { a.Seal.Manifest[0] ^= 1 },
		"a part too few":               func(_ *fixture, a *relay.Available) { a.Parts-- },
		"less than there is":           func(_ *fixture, a *relay.Available) { a.Size -= 9 },
		"an older object of that name": func(f *fixture, a *relay.Available) { f.store.published[a.Object] = f.store.published["old"] },
		"no object":                    func(f *fixture, a *relay.Available) { delete(f.store.published, a.Object) },
		"cut in the middle": func(f *fixture, a *relay.Available) {
			f.store.published[a.Object] = f.store.published[a.Object][:len(f.store.published[a.Object])/2]
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.src = clean.src
			f.parked(protocol.KindReceipt)
			a, err := relay.Of(f.letters[0])
			if err != nil {
				t.Fatal(err)
			}
			f.store.published["old"] = slices.Concat(f.store.published[a.Object][4096:], f.store.published[a.Object][:4096])
			spoil(f, &a)
			f.letters[0].Body = relay.AppendAvailable(nil, &a)
			r, err := f.receive()
			if err == nil {
				t.Fatalf("it was received: %+v", r)
			}
			switch code := mft.CodeOf(err); code {
			case mft.CodeCorrupt, mft.CodeProtocol, mft.CodeNotFound:
			default:
				t.Errorf("code %s: %v", code, err)
			}
			have := tree(t, f.dst)
			want := tree(t, f.src)
			maps.DeleteFunc(have, func(name, facts string) bool {
				return want[name] == facts || facts[0] == 'd' || strings.HasPrefix(name, ".mft-") // not published
			})
			if len(have) > 0 {
				t.Errorf("what should not be there: %v", have)
			}
		})
	}
}
