package record

import (
	"os"
	"path/filepath"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/parcel"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/relay"
)

// seedLedger returns a ledger with an entry of each kind.
func seedLedger(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger")
	l, err := newLedger(path, head{transfer: mft.TransferID{1}, key: parcel.Key{2}, part: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	p := Published{Extent: parcel.Extent{Parts: 3, Size: 250}, Manifest: 200}
	for _, err := range []error{
		l.mark(entryBack, 0),
		l.whole(protocol.Key{1}, mft.Digest{1}, 90, relay.AppendRef(nil, relay.Ref{Length: 90}), nil),
		l.print(parcel.Print{Number: 1, From: 140, Rest: 1, Whole: 2}),
		l.half(&checked{key: protocol.Key{2}, offset: 50, end: 140, frames: []byte("frames")}),
		l.mark(entryStaged, 200),
		l.whole(protocol.Key{2}, mft.Digest{2}, 190, nil, []byte("frames")),
		l.half(&checked{key: protocol.Key{2}, offset: 90, end: 180, from: 50, frames: []byte("more")}),
		l.changed(1),
		l.mark(entryBack, 100),
		l.mark(entryStaged, 200),
		l.seal(&p),
		l.add(entryPublished, nil),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzLedger: whatever stands in a ledger, a recorder opens or begins anew, and
// offers nothing that is not staged. With mend set, head and checksums are right.
func FuzzLedger(f *testing.F) {
	seed := seedLedger(f)
	for i := 0; i <= len(seed); i += 7 {
		f.Add(seed[:i], false)
	}
	for i := 0; i < len(seed); i += 5 {
		b := append([]byte(nil), seed...)
		b[i] ^= 1 << (i % 8)
		f.Add(b, false)
		f.Add(b, true)
	}
	f.Fuzz(func(t *testing.T, b []byte, mend bool) {
		order := Order{Transfer: mft.TransferID{1}, Sizes: exchange.Sizes{MinBlock: 1, MaxBlock: 1 << 20, MaxBlocks: 50_000}, Dir: t.TempDir(), AtOnce: 1}
		if mend {
			b = mended(b)
		}
		if err := os.WriteFile(pathOf(order), b, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(order)
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		defer r.Close()
		l := r.ledger
		if l.head.transfer != order.Transfer || l.head.part < 1 || l.staged < 0 {
			t.Errorf("it opened with the head %+v, and %d bytes staged", l.head, l.staged)
		}
		for _, n := range l.files {
			if n.end > l.staged {
				t.Errorf("a file that ends at %d is offered, and %d bytes are staged", n.end, l.staged)
			}
			if _, _, err := l.content(n); err != nil {
				t.Errorf("content: %v", err)
			}
		}
		for key := range l.open {
			if c := l.last(key); c != nil && (c.end > l.staged || len(c.frames) != c.upTo) {
				t.Errorf("a check point at %d is offered, and %d bytes are staged", c.end, l.staged)
			}
		}
		if at := l.resumeAt(); at < l.kept() || at < 0 {
			t.Errorf("recording goes on at %d, and %d bytes count", at, l.kept())
		}
		if p, ok := r.Published(); ok && p.Extent.Check(p.Form.Part) != nil {
			t.Errorf("published with the extent %+v", p.Extent)
		}
	})
}

// mended gives the entries in b the checksums that they need.
func mended(b []byte) (out []byte) {
	for len(b) >= 9 {
		n := int(b[1])<<24 | int(b[2])<<16 | int(b[3])<<8 | int(b[4])
		if n > len(b)-9 {
			break
		}
		out = appendEntry(out, b[0], b[5:5+n])
		b = b[9+n:]
	}
	return out
}

// TestHalfway: of a file whose last check points are not staged, or whose end is
// not, the last check point that is staged counts.
func TestHalfway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l, err := newLedger(path, head{transfer: mft.TransferID{1}, part: 100})
	if err != nil {
		t.Fatal(err)
	}
	key := protocol.Key{2}
	for _, err := range []error{
		l.half(&checked{key: key, offset: 100, end: 100, frames: []byte("1")}),
		l.half(&checked{key: key, offset: 200, end: 200, from: 100, frames: []byte("2")}),
		l.mark(entryStaged, 200),
		l.half(&checked{key: key, offset: 300, end: 300, from: 200, frames: []byte("3")}),
		l.whole(key, mft.Digest{}, 350, nil, []byte("1234")),
		l.half(&checked{key: protocol.Key{3}, offset: 50, end: 400, frames: []byte("x")}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l.close()
	l, err = openLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if c := l.last(key); c == nil || c.offset != 200 || string(c.frames) != "12" {
		t.Errorf("the last check point is %+v, want that at 200", c)
	}
	if _, ok := l.find(key); ok || l.last(protocol.Key{3}) != nil || l.resumeAt() != 200 {
		t.Errorf("a file counts that is not staged, or recording goes on at %d", l.resumeAt())
	}
}
