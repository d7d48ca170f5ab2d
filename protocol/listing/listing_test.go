package listing

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

func drawFlag(t *rapid.T) bool { return rapid.Bool().Draw(t, "flag") }

func drawSize(t *rapid.T) int64 {
	return rapid.Int64Min(0).Draw(t, "size") >> rapid.IntRange(0, 62).Draw(t, "shift")
}

func drawSpan(t *rapid.T) (first, count uint64) {
	first = min(uint64(drawSize(t)), protocol.MaxIndex)
	return first, rapid.Uint64Range(1, protocol.MaxIndex+1-first).Draw(t, "count")
}

func drawName(t *rapid.T) string {
	return rapid.OneOf(rapid.StringMatching(`[ab]{1,3}`), rapid.SampledFrom([]string{"a\xff", "\n", "...", " "})).Draw(t, "name")
}

func drawPath(t *rapid.T) string {
	path := drawName(t)
	for range rapid.IntRange(0, 4).Draw(t, "depth") {
		path += "/" + drawName(t)
	}
	return path
}

func drawPlace(t *rapid.T) string {
	if drawFlag(t) {
		return ""
	}
	return drawPath(t)
}

func drawListing(t *rapid.T) Listing {
	return Listing{Path: drawPlace(t), Entries: drawSize(t), Bytes: drawSize(t), Digest: [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "digest"))}
}

func drawAnswers(t *rapid.T) Answers {
	a := Answers{Answer: Answer(rapid.IntRange(0, 3).Draw(t, "answer"))}
	if a.First, a.Count = drawSpan(t); a.Answer == Differ {
		a.Count = 1
		for range rapid.IntRange(1, 20).Draw(t, "prints") {
			a.Prints = a.Prints.AppendPrint(rapid.Uint64().Draw(t, "print"))
		}
	}
	return a
}

func drawMatched(t *rapid.T) Matched {
	m := Matched{Listing: min(uint64(drawSize(t)), protocol.MaxIndex), Digest: [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "digest"))}
	next := 0
	for range rapid.IntRange(0, 8).Draw(t, "others") {
		m.Others = append(m.Others, next+rapid.IntRange(0, 500).Draw(t, "gap"))
		next = m.Others[len(m.Others)-1] + 1
	}
	return m
}

func drawListed(t *rapid.T) Listed {
	l := Listed{Path: drawPlace(t), Whole: drawFlag(t)}
	l.First, l.Count = drawSpan(t)
	for range rapid.IntRange(0, 4).Draw(t, "kept") {
		l.Kept = append(l.Kept, drawName(t))
	}
	return l
}

func TestListingsRefuse(t *testing.T) {
	for _, tt := range []struct {
		name  string
		p     []byte
		parse func([]byte) error
		code  mft.Code
	}{
		{"listing outside", Append(nil, &Listing{Path: "../x"}), errOf(Parse), mft.CodeBadPath},
		{"absolute listing", Append(nil, &Listing{Path: "/x"}), errOf(Parse), mft.CodeBadPath},
		{"listing with NUL", Append(nil, &Listing{Path: "a\x00"}), errOf(Parse), mft.CodeBadPath},
		{"negative entries", Append(nil, &Listing{Entries: -1}), errOf(Parse), mft.CodeProtocol},
		{"too many listings", many(protocol.ListingWindow+1, Append(nil, &Listing{})), errOf(Parse), mft.CodeProtocol},
		{"too many answers", many(protocol.ListingWindow+1, AppendAnswers(nil, &Answers{Count: 1})), errOf(ParseAnswers), mft.CodeProtocol},
		{"no answer", AppendAnswers(nil, &Answers{Count: 1, Answer: 4}), errOf(ParseAnswers), mft.CodeProtocol},
		{"prints of two", AppendAnswers(nil, &Answers{Count: 2, Answer: Differ, Prints: prints(1)}), errOf(ParseAnswers), mft.CodeProtocol},
		{"too many prints", AppendAnswers(nil, &Answers{Count: 1, Answer: Differ, Prints: prints(MaxPrints + 1)}), errOf(ParseAnswers), mft.CodeProtocol},
		{"half a print", cut(2, AppendAnswers(nil, &Answers{Count: 1, Answer: Differ, Prints: prints(3)})), errOf(ParseAnswers), mft.CodeProtocol},
		{"too many others", AppendMatched(nil, &Matched{Others: make([]int, MaxPrints+1)}), errOf(ParseMatched), mft.CodeProtocol},
		{"other beyond", AppendMatched(nil, &Matched{Others: []int{5, MaxPrints}}), errOf(ParseMatched), mft.CodeProtocol},
		{"other after the last", AppendMatched(nil, &Matched{Others: []int{MaxPrints - 1, MaxPrints}}), errOf(ParseMatched), mft.CodeProtocol},
		{"answer to nothing", AppendAnswers(nil, &Answers{}), errOf(ParseAnswers), mft.CodeProtocol},
		{"listed outside", AppendListed(nil, &Listed{Path: "a/../.."}), errOf(ParseListed), mft.CodeBadPath},
		{"kept path", AppendListed(nil, &Listed{Kept: []string{"a/b"}}), errOf(ParseListed), mft.CodeBadPath},
		{"kept above", AppendListed(nil, &Listed{Kept: []string{".."}}), errOf(ParseListed), mft.CodeBadPath},
		{"kept empty", AppendListed(nil, &Listed{Kept: []string{""}}), errOf(ParseListed), mft.CodeProtocol},
		{"too many kept", AppendListed(nil, &Listed{Kept: make([]string, protocol.MaxKept+1)}), errOf(ParseListed), mft.CodeProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.parse(tt.p); mft.CodeOf(err) != tt.code {
				t.Errorf("error %v, want %v", err, tt.code)
			}
		})
	}
}

func prints(n int) (p Prints) {
	for i := range n {
		p = p.AppendPrint(uint64(i))
	}
	return p
}

// cut takes the last n bytes away.
func cut(n int, p []byte) []byte { return p[:len(p)-n] }

func errOf[T any](parse func([]byte) (T, error)) func([]byte) error {
	return func(p []byte) error {
		_, err := parse(p)
		return err
	}
}

func many(n int, p []byte) []byte { return []byte(strings.Repeat(string(p), n)) }

// check holds a message to the rules of package protocol: what is written is
// read back, and nothing may trail.
func check[T any](t *testing.T, draw func(*rapid.T) T, write func([]byte, *T) []byte, read func([]byte) (T, error)) {
	rapid.Check(t, func(t *rapid.T) {
		want := draw(t)
		p := write(nil, &want)
		if got, err := read(p); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("read back: %+v, %v, want %+v", got, err, want)
		}
		if _, err := read(append(slices.Clone(p), 0xff)); err == nil {
			t.Fatal("a byte too many is taken")
		}
		cut := rapid.IntRange(0, len(p)-1).Draw(t, "cut")
		if _, err := read(p[:cut]); cut > 0 && err == nil {
			t.Fatalf("%d of %d bytes are taken", cut, len(p))
		}
	})
}

// only reads a list of one.
func only[T any](read func([]byte) ([]T, error)) func([]byte) (T, error) {
	return func(p []byte) (one T, err error) {
		all, err := read(p)
		if err == nil && len(all) == 1 {
			one = all[0]
		} else if err == nil {
			err = fmt.Errorf("%d entries", len(all))
		}
		return one, err
	}
}

func TestMessagesSurvive(t *testing.T) {
	t.Run("listing", func(t *testing.T) { check(t, drawListing, Append, only(Parse)) })
	t.Run("answers", func(t *testing.T) { check(t, drawAnswers, AppendAnswers, only(ParseAnswers)) })
	t.Run("matched", func(t *testing.T) { check(t, drawMatched, AppendMatched, ParseMatched) })
	t.Run("listed", func(t *testing.T) { check(t, drawListed, AppendListed, ParseListed) })
}

// fuzz feeds any bytes to a parser: what it takes must be written as the same
// bytes.
func fuzz[T any](f *testing.F, draw func(*rapid.T) T, write func([]byte, *T) []byte, read func([]byte) ([]T, error)) {
	seed := rapid.Custom(draw)
	for i := range 20 {
		one := seed.Example(i)
		f.Add(write(nil, &one))
	}
	f.Add([]byte{})
	f.Add([]byte{0x80, 0x00, 0xff})
	f.Fuzz(func(t *testing.T, p []byte) {
		all, err := read(p)
		if err != nil {
			if code := mft.CodeOf(err); code != mft.CodeProtocol && code != mft.CodeBadPath {
				t.Fatalf("error %v has code %s", err, code)
			}
			return
		}
		var again []byte
		for i := range all {
			again = write(again, &all[i])
		}
		if string(again) != string(p) {
			t.Fatalf("%x is written as %x", p, again)
		}
	})
}

func FuzzListings(f *testing.F) { fuzz(f, drawListing, Append, Parse) }
func FuzzAnswers(f *testing.F)  { fuzz(f, drawAnswers, AppendAnswers, ParseAnswers) }
func FuzzMatched(f *testing.F) {
	fuzz(f, drawMatched, AppendMatched, func(p []byte) ([]Matched, error) {
		m, err := ParseMatched(p)
		return []Matched{m}, err
	})
}

func FuzzListed(f *testing.F) {
	fuzz(f, drawListed, AppendListed, func(p []byte) ([]Listed, error) {
		l, err := ParseListed(p)
		return []Listed{l}, err
	})
}
