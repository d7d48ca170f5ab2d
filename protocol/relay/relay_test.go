package relay

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

func drawRef(t *rapid.T, most int64) Ref {
	n := rapid.Int64Range(1, most).Draw(t, "length")
	return Ref{Position: rapid.Int64Range(0, math.MaxInt64-n).Draw(t, "position"), Length: n}
}

func TestRefSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawRef(t, math.MaxInt64)
		if got, err := ParseRef(AppendRef(nil, want)); err != nil || got != want {
			t.Fatalf("ParseRef = %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestSmallSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []Small
		var p []byte
		for range rapid.IntRange(0, 5).Draw(t, "entries") {
			s := Small{Index: rapid.Uint64Range(0, protocol.MaxIndex).Draw(t, "index"), Ref: drawRef(t, protocol.MaxSmall)}
			copy(s.Digest[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest"))
			want = append(want, s)
			p = AppendSmall(p, &s)
		}
		var got []Small
		if err := WalkSmall(p, func(s Small) error { got = append(got, s); return nil }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func available() *Available {
	return &Available{
		Offer: mft.Offer{
			Destination: "in/a b", Overwrite: mft.OverwriteNever, Compare: mft.CompareQuick, Announced: mft.Count{Items: 3, Bytes: 1 << 40}, DataKey: [32]byte{5}, Streams: 1,
		},
		Seal:   mft.Seal{Sent: mft.Count{Items: 2, Bytes: 9}, Failed: 1, Whole: true, Manifest: mft.Digest{6}},
		Object: "01a2-1", Ref: "https://store.example/alpha/01a2-1?sig=x", Key: [32]byte{7},
		Part: 16 << 20, Parts: 3, Size: 40 << 20, Manifest: 39 << 20,
	}
}

func envelope(body []byte) *protocol.Envelope {
	return &protocol.Envelope{
		Kind: protocol.KindAvailable, Transfer: mft.TransferID{7}, Sender: "alpha", Recipient: "beta", Channel: "finance", Body: body,
	}
}

func TestAvailableSurvives(t *testing.T) {
	want := available()
	got, err := Of(envelope(AppendAvailable(nil, want)))
	if err != nil {
		t.Fatal(err)
	}
	o := &want.Offer
	o.Transfer, o.Sender, o.Recipient, o.Channel = mft.TransferID{7}, "alpha", "beta", "finance"
	want.Seal.Transfer = o.Transfer
	if diff := cmp.Diff(*want, got); diff != "" {
		t.Errorf("what was parsed is not what was appended (-want +got):\n%s", diff)
	}
}

func TestAvailableRefused(t *testing.T) {
	for name, spoil := range map[string]func(*Available) []byte{
		"a manifest behind the end": func(a *Available) []byte { a.Manifest = a.Size + 1; return AppendAvailable(nil, a) },
		"a long reference":          func(a *Available) []byte { a.Ref = strings.Repeat("x", MaxRef+1); return AppendAvailable(nil, a) },
		"a line break in it":        func(a *Available) []byte { a.Ref = "a\nb"; return AppendAvailable(nil, a) },
		"a long name":               func(a *Available) []byte { a.Object = strings.Repeat("x", MaxObject+1); return AppendAvailable(nil, a) },
		"too many parts":            func(a *Available) []byte { a.Parts = math.MaxInt32 + 1; return AppendAvailable(nil, a) },
		"a bad offer":               func(a *Available) []byte { a.Offer.Streams = 0; return AppendAvailable(nil, a) },
		"cut":                       func(a *Available) []byte { b := AppendAvailable(nil, a); return b[:len(b)-1] },
		"more behind":               func(a *Available) []byte { return append(AppendAvailable(nil, a), 0) },
		"nothing":                   func(*Available) []byte { return nil },
	} {
		a, err := Of(envelope(spoil(available())))
		if code := mft.CodeOf(err); code != mft.CodeProtocol {
			t.Errorf("%s: %+v, code %s, want PROTOCOL: %v", name, a, code, err)
		}
	}
	other := envelope(AppendAvailable(nil, available()))
	other.Kind = protocol.KindOffer
	if _, err := Of(other); mft.CodeOf(err) != mft.CodeProtocol {
		t.Errorf("an offer: %v", err)
	}
}

func TestRefRefused(t *testing.T) {
	for name, p := range map[string][]byte{
		"empty":          nil,
		"beyond int64":   AppendRef(nil, Ref{Position: math.MaxInt64, Length: 1}),
		"something more": append(AppendRef(nil, Ref{1, 1}), 0),
	} {
		if _, err := ParseRef(p); mft.CodeOf(err) != mft.CodeProtocol {
			t.Errorf("%s: %v, want code PROTOCOL", name, err)
		}
	}
	long := AppendSmall(nil, &Small{Ref: Ref{0, protocol.MaxSmall + 1}})
	if err := WalkSmall(long, func(Small) error { return nil }); mft.CodeOf(err) != mft.CodeProtocol {
		t.Errorf("a large small file: %v, want code PROTOCOL", err)
	}
}

func FuzzAvailable(f *testing.F) {
	f.Add(AppendAvailable(nil, available()))
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := ParseAvailable(body)
		if err == nil && !bytes.Equal(AppendAvailable(nil, &a), body) {
			t.Errorf("%x is another form of %+v", body, a)
		}
	})
}

func FuzzRefs(f *testing.F) {
	f.Add(AppendSmall(nil, &Small{Index: 3, Ref: Ref{5, 7}}))
	f.Fuzz(func(t *testing.T, p []byte) {
		var again []byte
		err := WalkSmall(p, func(s Small) error { again = AppendSmall(again, &s); return nil })
		if err == nil && !bytes.Equal(again, p) {
			t.Errorf("%x is another form of %x", p, again)
		}
	})
}
