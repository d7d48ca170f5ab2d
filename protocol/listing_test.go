package protocol

import (
	"strings"
	"testing"

	"github.com/zeebo/blake3"
	"pgregory.net/rapid"

	"mft.dev/mft"
)

func drawFlag(t *rapid.T) bool { return rapid.Bool().Draw(t, "flag") }

func drawCompare(t *rapid.T) mft.Compare {
	return rapid.SampledFrom([]mft.Compare{mft.CompareNone, mft.CompareQuick, mft.CompareContent}).Draw(t, "compare")
}

func drawMirror(t *rapid.T) mft.Mirror {
	if !drawFlag(t) {
		return mft.Mirror{}
	}
	return mft.Mirror{
		On: true, MaxFiles: rapid.Int64Range(-1, 1<<40).Draw(t, "most files"), MaxPercent: rapid.IntRange(-1, MaxPercent).Draw(t, "most percent"),
	}
}

func drawBasis(t *rapid.T) mft.Basis {
	return mft.Basis{Present: drawFlag(t), Listings: drawFlag(t), Owners: drawFlag(t), SetID: drawFlag(t), Dirs: drawFlag(t), Salt: drawSalt(t)}
}

func drawSalt(t *rapid.T) [16]byte {
	return [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "salt"))
}

func drawPlace(t *rapid.T) string {
	if drawFlag(t) {
		return ""
	}
	return drawPath(t)
}

func drawListing(t *rapid.T) Listing {
	return Listing{Path: drawPlace(t), Entries: drawSize(t), Bytes: drawSize(t), Digest: drawSalt(t)}
}

func drawAnswers(t *rapid.T) Answers {
	first, count := drawSpan(t)
	return Answers{first, count, Answer(rapid.IntRange(0, 2).Draw(t, "answer"))}
}

func drawListed(t *rapid.T) Listed {
	l := Listed{Path: drawPlace(t), Whole: drawFlag(t)}
	l.First, l.Count = drawSpan(t)
	for range rapid.IntRange(0, 4).Draw(t, "kept") {
		l.Kept = append(l.Kept, strings.ReplaceAll(drawPath(t), "/", "_"))
	}
	return l
}

func TestManifestCoversListings(t *testing.T) {
	sum := func(change func(l *Listing, a *Answer, d *Listed)) mft.Digest {
		l, a, d := Listing{Path: "d", Entries: 2, Bytes: 3, Digest: [16]byte{4, 5}}, AnswerSame, Listed{Path: "e", First: 6, Count: 7}
		change(&l, &a, &d)
		m := NewManifest()
		m.Compared(&l, a)
		m.Listed(&d)
		return m.Sum()
	}
	seen := map[mft.Digest]string{NewManifest().Sum(): "no listing"}
	for name, change := range map[string]func(l *Listing, a *Answer, d *Listed){
		"nothing":       func(*Listing, *Answer, *Listed) {},
		"path":          func(l *Listing, _ *Answer, _ *Listed) { l.Path = "" },
		"entries":       func(l *Listing, _ *Answer, _ *Listed) { l.Entries++ },
		"bytes":         func(l *Listing, _ *Answer, _ *Listed) { l.Bytes++ },
		"digest":        func(l *Listing, _ *Answer, _ *Listed) { l.Digest[15]++ },
		"answer":        func(_ *Listing, a *Answer, _ *Listed) { *a = AnswerList },
		"listed path":   func(_ *Listing, _ *Answer, d *Listed) { d.Path = "f" },
		"listed first":  func(_ *Listing, _ *Answer, d *Listed) { d.First++ },
		"listed count":  func(_ *Listing, _ *Answer, d *Listed) { d.Count++ },
		"listed whole":  func(_ *Listing, _ *Answer, d *Listed) { d.Whole = true },
		"kept":          func(_ *Listing, _ *Answer, d *Listed) { d.Kept = []string{"k"} },
		"listing twice": func(*Listing, *Answer, *Listed) {},
	} {
		got := sum(change)
		if name == "listing twice" {
			m := NewManifest()
			for range 2 {
				m.Compared(&Listing{Path: "d", Entries: 2, Bytes: 3, Digest: [16]byte{4, 5}}, AnswerSame)
			}
			m.Listed(&Listed{Path: "e", First: 6, Count: 7})
			got = m.Sum()
		}
		if other, ok := seen[got]; ok {
			t.Errorf("the manifest is the same with %q and with %q changed", name, other)
		}
		seen[got] = name
	}
	// As docs/protocol.md has it.
	m := NewManifest()
	l, d := Listing{Path: "d", Entries: 1, Digest: [16]byte{1, 2}}, Listed{Path: "d"}
	m.Compared(&l, AnswerList)
	m.Listed(&d)
	none := blake3.Sum256(nil)
	one := blake3.Sum256(append(AppendListing(nil, &l), uint8(AnswerList)))
	two := blake3.Sum256(AppendListed(nil, &d))
	if got, want := m.Sum(), mft.Digest(blake3.Sum256(append(append(none[:], one[:]...), two[:]...))); got != want {
		t.Errorf("Sum = %v, want %v", got, want)
	}
}

func TestListingsRefuse(t *testing.T) {
	for _, tt := range []struct {
		name  string
		p     []byte
		parse func([]byte) error
		code  mft.Code
	}{
		{"listing outside", AppendListing(nil, &Listing{Path: "../x"}), errOf(ParseListings), mft.CodeBadPath},
		{"absolute listing", AppendListing(nil, &Listing{Path: "/x"}), errOf(ParseListings), mft.CodeBadPath},
		{"listing with NUL", AppendListing(nil, &Listing{Path: "a\x00"}), errOf(ParseListings), mft.CodeBadPath},
		{"negative entries", AppendListing(nil, &Listing{Entries: -1}), errOf(ParseListings), mft.CodeProtocol},
		{"too many listings", many(ListingWindow+1, AppendListing(nil, &Listing{})), errOf(ParseListings), mft.CodeProtocol},
		{"too many answers", many(ListingWindow+1, AppendAnswers(nil, &Answers{Count: 1})), errOf(ParseAnswers), mft.CodeProtocol},
		{"no answer", AppendAnswers(nil, &Answers{Count: 1, Answer: 3}), errOf(ParseAnswers), mft.CodeProtocol},
		{"answer to nothing", AppendAnswers(nil, &Answers{}), errOf(ParseAnswers), mft.CodeProtocol},
		{"listed outside", AppendListed(nil, &Listed{Path: "a/../.."}), errOf(ParseListed), mft.CodeBadPath},
		{"kept path", AppendListed(nil, &Listed{Kept: []string{"a/b"}}), errOf(ParseListed), mft.CodeBadPath},
		{"kept above", AppendListed(nil, &Listed{Kept: []string{".."}}), errOf(ParseListed), mft.CodeBadPath},
		{"kept empty", AppendListed(nil, &Listed{Kept: []string{""}}), errOf(ParseListed), mft.CodeProtocol},
		{"too many kept", AppendListed(nil, &Listed{Kept: make([]string, MaxKept+1)}), errOf(ParseListed), mft.CodeProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.parse(tt.p); mft.CodeOf(err) != tt.code {
				t.Errorf("error %v, want %v", err, tt.code)
			}
		})
	}
}

func errOf[T any](parse func([]byte) (T, error)) func([]byte) error {
	return func(p []byte) error {
		_, err := parse(p)
		return err
	}
}

func many(n int, p []byte) []byte { return []byte(strings.Repeat(string(p), n)) }
