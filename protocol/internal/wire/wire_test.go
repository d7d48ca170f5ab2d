package wire

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

func TestUintRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		p     string
		limit uint64
		words string
	}{
		"nothing":             {"", math.MaxUint64, "n: missing or cut off"},
		"cut off":             {"\x80", math.MaxUint64, "n: missing or cut off"},
		"zero in two bytes":   {"\x80\x00", math.MaxUint64, "n: number is not in its shortest form"},
		"one in two bytes":    {"\x81\x00", math.MaxUint64, "n: number is not in its shortest form"},
		"65 bits":             {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", math.MaxUint64, "n: number of more than 64 bits"},
		"eleven bytes":        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", math.MaxUint64, "n: number of more than 64 bits"},
		"over a small limit":  {"\x05", 4, "n: 5 is more than 4"},
		"over a larger limit": {"\x81\x01", 128, "n: 129 is more than 128"},
	} {
		t.Run(name, func(t *testing.T) {
			r := Read("test", []byte(tc.p))
			if got := r.Uint("n", tc.limit); got != 0 {
				t.Errorf("Uint = %d beside an error, want 0", got)
			}
			if err := r.Err(); mft.CodeOf(err) != mft.CodeProtocol || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("Err() = %v, want PROTOCOL and %q", err, tc.words)
			}
		})
	}
}

// TestNumbersHaveOneForm: a number is accepted exactly if encoding it again
// gives the same bytes.
func TestNumbersHaveOneForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 0x7f, 0x80, 0x81, 0xff}), 1, 11).Draw(t, "p")
		v, n := binary.Uvarint(p)
		want := n > 0 && bytes.Equal(binary.AppendUvarint(nil, v), p[:n])
		r := Read("test", p)
		if got := r.Uint("n", math.MaxUint64); (r.Err() == nil) != want || (want && got != v) {
			t.Fatalf("Uint(%x) = %d, %v, want accepted = %t, %d", p, got, r.Err(), want, v)
		}
	})
}

func TestNumbersSurvive(t *testing.T) {
	for _, v := range []int64{0, 1, -1, 63, -64, 64, 127, 128, math.MaxInt64, math.MinInt64} {
		r := Read("test", AppendZigzag(AppendUint(nil, uint64(v)), v))
		if u, z := r.Uint("u", math.MaxUint64), r.Zigzag("z"); u != uint64(v) || z != v || r.Err() != nil {
			t.Errorf("%d came back as %d and %d, %v", v, int64(u), z, r.Err())
		}
	}
}

// TestTheFirstErrorStays: whatever is read later neither replaces it nor
// returns anything.
func TestTheFirstErrorStays(t *testing.T) {
	r := Read("test", []byte("\x02\x05rest of the message, and more of it than 32 bytes"))
	r.Entry(3)
	r.Flag("first")
	r.Fail("second", "late")
	if r.U8("u8") != 0 || r.Uint("uint", 9) != 0 || r.Zigzag("zigzag") != 0 || r.Count("count", 9, 1) != 0 ||
		r.Take("take", 1) != nil || r.Digest("digest") != (mft.Digest{}) || r.Copy("copy", 9) != nil ||
		r.Path("path") != "" || r.Line("line", 9) != "" || r.Agent("agent") != "" || r.Code() != "" ||
		r.Detail() != "" || r.Counted() != (mft.Count{}) || r.More() {
		t.Errorf("something was read after an error")
	}
	v, err := Done(&r, 7)
	if v != 0 || err == nil || err.Error() != "test: entry 3: first: 2 is neither 0 nor 1 [PROTOCOL]" {
		t.Errorf("Done = %d, %v, want 0 and the first error", v, err)
	}
}

func TestCountIsBoundedByTheInput(t *testing.T) {
	for name, tc := range map[string]struct {
		p    []byte
		want int
	}{
		"fits":         {append(AppendUint(nil, 3), make([]byte, 27)...), 3},
		"one too many": {append(AppendUint(nil, 4), make([]byte, 27)...), 0},
		"a huge one":   {AppendUint(nil, 1000), 0},
		"none":         {AppendUint(nil, 0), 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := Read("test", tc.p)
			if got := r.Count("count", 1000, 9); got != tc.want {
				t.Errorf("Count = %d, want %d", got, tc.want)
			}
		})
	}
}

func TestArenaStringsStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := NewArena(rapid.IntRange(0, 100).Draw(t, "n"))
		var got, want []string
		last := ""
		for range rapid.IntRange(0, 50).Draw(t, "strings") {
			tail := bytes.Repeat([]byte{rapid.Byte().Draw(t, "c")}, rapid.IntRange(0, 1000).Draw(t, "length"))
			if rapid.Bool().Draw(t, "again") {
				got, want = append(got, a.Again(last, tail)), append(want, string(tail))
			} else {
				head := last[:rapid.IntRange(0, len(last)).Draw(t, "head")]
				got, want = append(got, a.Join(head, tail)), append(want, head+string(tail))
			}
			last = want[len(want)-1]
			clear(tail)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("string %d of %d changed", i, len(got))
			}
		}
	})
}
