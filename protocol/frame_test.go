package protocol

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

type frame struct {
	kind  FrameKind
	parts [][]byte
}

func (f frame) payload() []byte { return bytes.Join(f.parts, nil) }

func drawFrame(t *rapid.T) frame {
	f := frame{kind: rapid.SampledFrom([]FrameKind{FrameItems, FrameData, FramePack, FrameWant}).Draw(t, "kind")}
	size := rapid.OneOf(
		rapid.IntRange(0, 100), rapid.IntRange(coalesce-8, coalesce+8),
		rapid.IntRange(readAhead-8, readAhead+8), rapid.IntRange(0, 300<<10))
	fill := rapid.Byte().Draw(t, "fill")
	for range rapid.IntRange(1, 3).Draw(t, "parts") {
		part := make([]byte, size.Draw(t, "size"))
		for i := range part {
			part[i] = fill + byte(i) + byte(i>>8)
		}
		f.parts = append(f.parts, part)
	}
	if len(f.payload()) == 0 {
		f.parts = append(f.parts, []byte{fill})
	}
	return f
}

// TestFramesSurvive writes any frames, and reads each in one of the ways
// there are.
func TestFramesSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		frames := rapid.SliceOfN(rapid.Custom(drawFrame), 1, 6).Draw(t, "frames")
		var pipe bytes.Buffer
		w := NewFrameWriter(&pipe)
		for _, f := range frames {
			if err := w.WriteFrame(f.kind, f.parts...); err != nil {
				t.Fatalf("WriteFrame(%v): %v", f.kind, err)
			}
		}
		src := io.Reader(&pipe)
		if rapid.Bool().Draw(t, "in halves") {
			src = iotest.HalfReader(src)
		}
		r := NewFrameReader(src)
		for _, f := range frames {
			want := f.payload()
			kind, n, err := r.Next()
			if err != nil || kind != f.kind || n != len(want) {
				t.Fatalf("Next = %v, %d, %v, want %v, %d", kind, n, err, f.kind, len(want))
			}
			read := rapid.IntRange(0, n).Draw(t, "read")
			head := make([]byte, read)
			if _, err := io.ReadFull(r, head); err != nil || !bytes.Equal(head, want[:read]) {
				t.Fatalf("Read of %d of %d bytes: %v, or other bytes", read, n, err)
			}
			if rapid.Bool().Draw(t, "skip") {
				continue
			}
			for range 2 {
				rest, err := r.Payload()
				if read == n {
					rest = nil
				}
				if err != nil || !bytes.Equal(rest, want[read:]) {
					t.Fatalf("Payload after %d of %d bytes: %d bytes, %v, want %d", read, n, len(rest), err, n-read)
				}
			}
			if n, err := r.Read(head[:min(1, len(head))]); n != 0 || err != io.EOF {
				t.Fatalf("Read after the end = %d, %v, want 0, io.EOF", n, err)
			}
		}
		for range 2 {
			if _, _, err := r.Next(); err != io.EOF {
				t.Fatalf("Next at the end: %v, want io.EOF", err)
			}
		}
	})
}

// TestFrameWriterWritesLittle: a header costs no write of its own, and large
// parts are not copied.
func TestFrameWriterWritesLittle(t *testing.T) {
	small, large := make([]byte, 1000), make([]byte, MaxData)
	for name, tc := range map[string]struct {
		kind  FrameKind
		parts [][]byte
		want  []int
	}{
		"empty":           {FrameEnd, nil, []int{4}},
		"small parts":     {FrameItems, [][]byte{small, small, small}, []int{3004}},
		"a large part":    {FrameData, [][]byte{large}, []int{coalesce, MaxData + 4 - coalesce}},
		"small and large": {FramePack, [][]byte{small, large}, []int{coalesce, MaxData + 1004 - coalesce}},
		"small around":    {FramePack, [][]byte{small, large, small}, []int{coalesce, MaxData + 1004 - coalesce, 1000}},
		"a little over":   {FrameItems, [][]byte{make([]byte, coalesce)}, []int{coalesce, 4}},
		"exactly":         {FrameItems, [][]byte{make([]byte, coalesce-4)}, []int{coalesce}},
	} {
		t.Run(name, func(t *testing.T) {
			pipe := &countingWriter{left: 10}
			if err := NewFrameWriter(pipe).WriteFrame(tc.kind, tc.parts...); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(pipe.sizes, tc.want) {
				t.Errorf("writes of %v bytes, want %v", pipe.sizes, tc.want)
			}
		})
	}
}

func TestFrameWriterRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		kind FrameKind
		n    int
	}{
		"kind 0": {0, 0}, "kind 22": {22, 0}, "kind 36": {36, 0}, "kind 64": {64, 0}, "kind 255": {255, 0},
		"a large frame": {FramePack, MaxFrame + 1}, "large data": {FrameData, MaxData + 1},
		"a full end": {FrameEnd, 1}, "a short check": {FrameCheck, 31}, "a long check": {FrameCheck, 33},
		"empty items": {FrameItems, 0}, "a long hole": {FrameHole, 65},
	} {
		t.Run(name, func(t *testing.T) {
			pipe := &countingWriter{left: 10}
			w := NewFrameWriter(pipe)
			wantError(t, "WriteFrame", w.WriteFrame(tc.kind, make([]byte, tc.n)), mft.CodeProtocol, "write frame")
			if pipe.Len() > 0 {
				t.Errorf("%d bytes were written", pipe.Len())
			}
			if err := w.WriteFrame(FrameEnd); err != nil {
				t.Errorf("WriteFrame after a refusal: %v", err)
			}
		})
	}
}

// TestFrameWriterFailsForGood: after half a frame there is no next one.
func TestFrameWriterFailsForGood(t *testing.T) {
	for n := range 3 {
		pipe := &countingWriter{left: n}
		w := NewFrameWriter(pipe)
		err := w.WriteFrame(FramePack, make([]byte, 1000), make([]byte, 100<<10), make([]byte, 1000))
		wantError(t, "WriteFrame", err, mft.CodeDisconnected, "broken pipe")
		pipe.left = 10
		before := pipe.Len()
		if again := w.WriteFrame(FrameEnd); !errors.Is(again, errPipe) || pipe.Len() != before {
			t.Errorf("WriteFrame after %d writes: %v and %d bytes more, want %v and none", n, again, pipe.Len()-before, errPipe)
		}
	}
}

func TestFrameReaderRefuses(t *testing.T) {
	coded := mft.Fail(mft.CodeTimeout, "wait", "", nil)
	big := "\x09\x01\x00\x00" // 64 KiB of pack
	for name, tc := range map[string]struct {
		p     string
		end   error // what the connection says after p
		code  mft.Code
		words string
	}{
		"kind 0":               {"\x00\x00\x00\x00", io.EOF, mft.CodeProtocol, "kind: 0"},
		"kind 22":              {"\x16\x00\x00\x00", io.EOF, mft.CodeProtocol, "kind: 22"},
		"kind 255":             {"\xff\x00\x00\x00", io.EOF, mft.CodeProtocol, "kind: 255"},
		"too long":             {"\x09\x11\x00\x01", io.EOF, mft.CodeProtocol, "length: 1114113 bytes of pack"},
		"data too long":        {"\x04\x10\x00\x01", io.EOF, mft.CodeProtocol, "length: 1048577 bytes of data"},
		"end with a payload":   {"\x0a\x00\x00\x01", io.EOF, mft.CodeProtocol, "length: 1 bytes of end"},
		"cut in the header":    {"\x04\x00\x00", io.EOF, mft.CodeDisconnected, "unexpected EOF"},
		"cut at the payload":   {"\x04\x00\x00\x02", io.EOF, mft.CodeDisconnected, "unexpected EOF"},
		"cut in the payload":   {"\x04\x00\x00\x02x", io.EOF, mft.CodeDisconnected, "unexpected EOF"},
		"cut in a big payload": {big + "xyz", io.EOF, mft.CodeDisconnected, "unexpected EOF"},
		"broken":               {"", errPipe, mft.CodeDisconnected, "broken pipe"},
		"broken in a payload":  {big + "xyz", errPipe, mft.CodeDisconnected, "broken pipe"},
		"with a code":          {"", coded, mft.CodeTimeout, "read frame"},
	} {
		for way, read := range map[string]func(r *FrameReader) error{
			"payload": func(r *FrameReader) error { _, err := r.Payload(); return err },
			"read":    func(r *FrameReader) error { _, err := io.Copy(io.Discard, r); return err },
			"skip":    func(r *FrameReader) error { _, _, err := r.Next(); return err },
		} {
			t.Run(name+"/"+way, func(t *testing.T) {
				r := NewFrameReader(io.MultiReader(strings.NewReader(tc.p), iotest.ErrReader(tc.end)))
				_, _, err := r.Next()
				if err == nil {
					err = read(r)
				}
				wantError(t, "FrameReader", err, tc.code, tc.words)
				if errors.Is(err, io.EOF) {
					t.Errorf("%v is io.EOF, want it only between frames", err)
				}
				if _, _, again := r.Next(); again != err {
					t.Errorf("Next again: %v, want the same as before: %v", again, err)
				}
				if _, again := r.Payload(); again != err {
					t.Errorf("Payload again: %v, want the same as before: %v", again, err)
				}
			})
		}
	}
}

// TestPayloadStaysUntilNext: reading ahead must not move what was returned.
func TestPayloadStaysUntilNext(t *testing.T) {
	var pipe bytes.Buffer
	w := NewFrameWriter(&pipe)
	for i := range 200 {
		writeOrFail(t, w, FramePack, bytes.Repeat([]byte{byte(i)}, 1+i*401))
	}
	r := NewFrameReader(iotest.HalfReader(&pipe))
	for i := range 200 {
		if _, _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		p, err := r.Payload()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("Read after Payload: %v, want io.EOF", err)
		}
		if len(p) != 1+i*401 || bytes.Count(p, []byte{byte(i)}) != len(p) {
			t.Fatalf("payload %d is not what was written", i)
		}
	}
}

func TestNames(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{FrameFileFail.String(), "file-fail"},
		{FrameFail.String(), "fail"},
		{FrameKind(0).String(), "kind 0"},
		{FrameKind(38).String(), "kind 38"},
		{FrameKind(200).String(), "kind 200"},
		{ControlJoined.String(), "joined"},
		{ControlKind(0).String(), "kind 0"},
		{Resume.String(), "resume"},
		{Verdict(6).String(), "verdict 6"},
	} {
		if tc.got != tc.want {
			t.Errorf("String() = %q, want %q", tc.got, tc.want)
		}
	}
}
