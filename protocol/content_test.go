package protocol

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"mft.dev/mft"
)

func TestVerdictsRefuse(t *testing.T) {
	list := func(n int, entry ...byte) []byte { return bytes.Repeat(entry, n) }
	wants := func(p []byte) error { _, err := ParseWants(p); return err }
	ranges := func(p []byte) error { _, err := ParseRanges(p); return err }
	fail := func(p []byte) error { _, err := ParseItemFail(p); return err }
	for name, tc := range map[string]struct {
		parse func(p []byte) error
		p     []byte
		words string
	}{
		"want: nothing wanted":       {wants, []byte{0, 0, 0}, "entry 0: count: zero"},
		"want: beyond the last":      {wants, AppendWant(nil, &Want{First: MaxIndex, Count: 2}), "count: 2 is more than 1"},
		"want: all but one":          {wants, AppendWant(nil, &Want{First: 1, Count: math.MaxUint64}), "count:"},
		"want: large index":          {wants, AppendWant(nil, &Want{First: MaxIndex + 1, Count: 1}), "first:"},
		"want: two haves":            {wants, AppendWant(nil, &Want{Count: 2, Verdict: Have}), "count: 2 of have"},
		"range of sames":             {wants, AppendWant(nil, &Want{Verdict: Same}), "count: zero"},
		"want: two resumes":          {wants, AppendWant(nil, &Want{Count: 2, Verdict: Resume}), "count: 2 of resume"},
		"want: two refusals":         {wants, AppendWant(nil, &Want{Count: 2, Verdict: Refuse}), "count: 2 of refuse"},
		"want: two deltas":           {wants, AppendWant(nil, &Want{Count: 2, Verdict: Delta}), "count: 2 of delta"},
		"want: unknown verdict":      {wants, AppendWant(nil, &Want{Count: 1, Verdict: 6}), "verdict: 6"},
		"want: offset below zero":    {wants, AppendWant(nil, &Want{Count: 1, Verdict: Resume, Offset: -1}), "offset:"},
		"want: second is bad":        {wants, []byte{0, 1, 0, 1, 1, 9}, "entry 1: verdict: 9"},
		"want: too many":             {wants, list(Window+1, 0, 1, 0), "more than 16384"},
		"range: nothing":             {ranges, []byte{5, 0}, "entry 0: count: zero"},
		"range: beyond the last":     {ranges, AppendRange(nil, &Range{First: 1, Count: math.MaxInt64}), "count:"},
		"range: too many":            {ranges, list(Window+1, 0, 1), "more than 16384"},
		"failure: large index":       {fail, AppendItemFail(nil, &ItemFail{Index: math.MaxUint64}), "index:"},
		"failure: again neither way": {fail, []byte{0, 2, 2, 'I', 'O', 0}, "again:"},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, "Parse", tc.parse(tc.p), mft.CodeProtocol, tc.words)
		})
	}
	if got, err := ParseWants(list(Window, 0, 1, 0)); err != nil || len(got) != Window {
		t.Errorf("ParseWants of a whole window = %d, %v", len(got), err)
	}
	if got, err := ParseRanges(list(Window, 0, 1)); err != nil || len(got) != Window {
		t.Errorf("ParseRanges of a whole window = %d, %v", len(got), err)
	}
}

func TestContentRefuses(t *testing.T) {
	start := func(p []byte) error { _, err := ParseFileStart(p); return err }
	end := func(p []byte) error { _, err := ParseFileEnd(p); return err }
	hole := func(p []byte) error { _, err := ParseHole(p); return err }
	check := func(p []byte) error { _, err := ParseCheck(p); return err }
	scanned := func(p []byte) error { _, err := ParseScanned(p); return err }
	pack := func(p []byte) error { _, err := parsePack(p); return err }
	for name, tc := range map[string]struct {
		parse func(p []byte) error
		p     []byte
		words string
	}{
		"file: large index":       {start, AppendFileStart(nil, &FileStart{Index: MaxIndex + 1}), "index:"},
		"file: offset below zero": {start, AppendFileStart(nil, &FileStart{Offset: -1}), "offset:"},
		"end: size below zero":    {end, AppendFileEnd(nil, &FileEnd{Size: -1}), "size:"},
		"hole: none":              {hole, AppendHole(nil, 0), "length: zero"},
		"hole: below zero":        {hole, AppendHole(nil, -1), "length:"},
		"check: short":            {check, make([]byte, 31), "digest:"},
		"scanned: below zero":     {scanned, AppendScanned(nil, &Scanned{Items: 1, Bytes: -1}), "bytes:"},
		"pack: a big file":        {pack, AppendPackEntry(nil, 0, mft.Digest{}, make([]byte, MaxSmall+1)), "entry 0: length:"},
		"pack: content cut off":   {pack, AppendPackEntry(nil, 0, mft.Digest{}, []byte("abc"))[:36], "content: 3 bytes expected, 2 left"},
		"pack: large index":       {pack, AppendPackEntry(nil, MaxIndex+1, mft.Digest{}, nil), "index:"},
		"pack: second is cut off": {pack, append(AppendPackEntry(nil, 0, mft.Digest{}, nil), 1), "entry 1: length:"},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, "Parse", tc.parse(tc.p), mft.CodeProtocol, tc.words)
		})
	}
}

func TestWalkPackReturnsTheErrorAsItIs(t *testing.T) {
	calls := 0
	err := WalkPack(packOf(3, 10), func(index uint64, _ mft.Digest, _ []byte) error {
		if calls++; index == 1 {
			return errPipe
		}
		return nil
	})
	if err != errPipe || calls != 2 {
		t.Errorf("WalkPack = %v after %d calls, want %v after 2", err, calls, errPipe)
	}
}

// TestWalkPackContentIsBounded: appending to one content must not reach the
// next entry.
func TestWalkPackContentIsBounded(t *testing.T) {
	p := packOf(2, 10)
	want := bytes.Clone(p)
	err := WalkPack(p, func(_ uint64, _ mft.Digest, content []byte) error {
		_ = append(content, "overwritten"...)
		return nil
	})
	if err != nil || !bytes.Equal(p, want) {
		t.Errorf("WalkPack: %v, or the input changed", err)
	}
}

func TestPackOverheadIsNeverTooSmall(t *testing.T) {
	got := len(AppendPackEntry(nil, MaxIndex, mft.Digest{}, make([]byte, MaxSmall))) - MaxSmall
	if got > PackOverhead {
		t.Errorf("an entry takes %d bytes besides its content, PackOverhead says %d", got, PackOverhead)
	}
}

// TestHashOf compares with the values that b3sum prints.
func TestHashOf(t *testing.T) {
	for content, want := range map[string]string{
		"":    "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
		"abc": "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
	} {
		if got := HashOf([]byte(content)).String(); got != want {
			t.Errorf("HashOf(%q) = %s, want %s", content, got, want)
		}
	}
}

func TestErrorsAreCoded(t *testing.T) {
	_, err := ParseHole(nil)
	var e *mft.Error
	if !errors.As(err, &e) || e.Code != mft.CodeProtocol {
		t.Errorf("ParseHole(nil) = %#v, want an *mft.Error with PROTOCOL", err)
	}
	if got, want := err.Error(), "read hole frame: length: missing or cut off [PROTOCOL]"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}
