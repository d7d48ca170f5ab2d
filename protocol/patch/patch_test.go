package patch

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

func drawSize(t *rapid.T) int64 {
	return rapid.Int64Min(0).Draw(t, "size") >> rapid.IntRange(0, 62).Draw(t, "shift")
}

func drawRange(t *rapid.T) Range { return Range{drawSize(t), drawSize(t)} }

func drawAsk(t *rapid.T) Ask {
	return Ask{min(uint64(drawSize(t)), protocol.MaxIndex), drawRange(t)}
}

func drawMarks(t *rapid.T) Marks {
	return Marks{min(uint64(drawSize(t)), protocol.MaxIndex), rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "marks")}
}

func drawBasis(t *rapid.T) Basis {
	b := Basis{Index: min(uint64(drawSize(t)), protocol.MaxIndex), Size: drawSize(t)}
	copy(b.Digest[:], rapid.SliceOfN(rapid.Byte(), len(b.Digest), len(b.Digest)).Draw(t, "digest"))
	return b
}

// check holds a message to the rules of package protocol: what is written is
// read back. Where nothing may trail, a byte too many is refused.
func check[T any](t *testing.T, draw func(*rapid.T) T, write func([]byte, *T) []byte, read func([]byte) (T, error), trails bool) {
	rapid.Check(t, func(t *rapid.T) {
		want := draw(t)
		p := write(nil, &want)
		if got, err := read(p); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("read back: %+v, %v, want %+v", got, err, want)
		}
		if trails {
			return
		}
		if _, err := read(append(slices.Clone(p), 0xff)); err == nil {
			t.Fatal("a byte too many is taken")
		}
		cut := rapid.IntRange(0, len(p)-1).Draw(t, "cut")
		if _, err := read(p[:cut]); err == nil {
			t.Fatalf("%d of %d bytes are taken", cut, len(p))
		}
	})
}

func TestMessagesSurvive(t *testing.T) {
	t.Run("copy", func(t *testing.T) { check(t, drawRange, AppendCopy, ParseCopy, false) })
	t.Run("ask", func(t *testing.T) { check(t, drawAsk, AppendAsk, ParseAsk, false) })
	t.Run("basis", func(t *testing.T) { check(t, drawBasis, AppendBasis, ParseBasis, false) })
	t.Run("marks", func(t *testing.T) { check(t, drawMarks, AppendMarks, ParseMarks, true) })
}

func TestRefused(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"copy without a length", second(ParseCopy([]byte{1})), "length: missing"},
		{"offset that is negative", second(ParseCopy(append(bytes.Repeat([]byte{0xff}, 9), 1, 1))), "is more than"},
		{"ask for an item that cannot be", second(ParseAsk(append(bytes.Repeat([]byte{0xff}, 8), 0x7f, 1, 1))), "index"},
		{"basis without a digest", second(ParseBasis([]byte{1, 1})), "digest: 32 bytes"},
		{"too many marks", second(ParseMarks(make([]byte, protocol.MaxMarks+2))), "are more than"},
	}
	for _, tt := range tests {
		if mft.CodeOf(tt.err) != mft.CodeProtocol || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s with %q", tt.name, tt.err, mft.CodeProtocol, tt.want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// fuzz feeds any bytes to a parser: what it takes must be written as the same
// bytes.
func fuzz[T any](f *testing.F, draw func(*rapid.T) T, write func([]byte, *T) []byte, read func([]byte) (T, error)) {
	seed := rapid.Custom(draw)
	for i := range 20 {
		one := seed.Example(i)
		f.Add(write(nil, &one))
	}
	f.Add([]byte{})
	f.Add([]byte{0x80, 0x00, 0xff})
	f.Fuzz(func(t *testing.T, p []byte) {
		got, err := read(p)
		if err != nil {
			if code := mft.CodeOf(err); code != mft.CodeProtocol {
				t.Fatalf("error %v has code %s", err, code)
			}
			return
		}
		if again := write(nil, &got); string(again) != string(p) {
			t.Fatalf("%x is written as %x", p, again)
		}
	})
}

func FuzzCopy(f *testing.F)  { fuzz(f, drawRange, AppendCopy, ParseCopy) }
func FuzzAsk(f *testing.F)   { fuzz(f, drawAsk, AppendAsk, ParseAsk) }
func FuzzMarks(f *testing.F) { fuzz(f, drawMarks, AppendMarks, ParseMarks) }
