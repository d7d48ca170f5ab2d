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
		l.half(&halfway{key: protocol.Key{2}, offset: 50, end: 140, frames: []byte("frames")}),
		l.mark(entryStaged, 200),
		l.whole(protocol.Key{2}, mft.Digest{2}, 190, nil, []byte("frames")),
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
// offers nothing that is not staged. With checked set, head and checksums are right.
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
	f.Fuzz(func(t *testing.T, b []byte, checked bool) {
		order := Order{Transfer: mft.TransferID{1}, Sizes: exchange.Sizes{MinBlock: 1, MaxBlock: 1 << 20, MaxBlocks: 50_000}, Dir: t.TempDir(), AtOnce: 1}
		if checked {
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
		if h := l.open; h != nil && h.end > l.staged {
			t.Errorf("a check point at %d is offered, and %d bytes are staged", h.end, l.staged)
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
