package protocol

import (
	"bytes"
	"io"
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

// fuzzCodec feeds any bytes to a parser: what it takes must come out of the
// encoder as the same bytes, and what it refuses must have a code.
func fuzzCodec(f *testing.F, name string) {
	for _, c := range codecs() {
		if c.name != name {
			continue
		}
		seed := rapid.Custom(func(t *rapid.T) []byte { return c.encode(c.draw(t)) })
		for i := range 20 {
			f.Add(seed.Example(i))
		}
		f.Add([]byte{})
		f.Add(bytes.Repeat([]byte{0xff}, 40))
		f.Add(bytes.Repeat([]byte{0x80, 0x00}, 20))
		f.Fuzz(func(t *testing.T, p []byte) {
			before := bytes.Clone(p)
			v, err := c.decode(p)
			if !bytes.Equal(p, before) {
				t.Fatalf("Parse%s changed its input", name)
			}
			if err != nil {
				if code := mft.CodeOf(err); code != mft.CodeProtocol && code != mft.CodeBadPath && code != mft.CodeVersion {
					t.Fatalf("Parse%s(%x): error %v has code %s", name, p, err, code)
				}
				return
			}
			if again := c.encode(v); !bytes.Equal(again, p) {
				t.Fatalf("Append%s(Parse%s(%x)) = %x", name, name, p, again)
			}
		})
		return
	}
	f.Fatalf("there is no codec %s", name)
}

func FuzzEnvelope(f *testing.F)  { fuzzCodec(f, "Envelope") }
func FuzzOffer(f *testing.F)     { fuzzCodec(f, "Offer") }
func FuzzDecision(f *testing.F)  { fuzzCodec(f, "Decision") }
func FuzzRequest(f *testing.F)   { fuzzCodec(f, "Request") }
func FuzzSeal(f *testing.F)      { fuzzCodec(f, "Seal") }
func FuzzReceipt(f *testing.F)   { fuzzCodec(f, "Receipt") }
func FuzzCancel(f *testing.F)    { fuzzCodec(f, "Cancel") }
func FuzzHello(f *testing.F)     { fuzzCodec(f, "Hello") }
func FuzzItems(f *testing.F)     { fuzzCodec(f, "Items") }
func FuzzScanned(f *testing.F)   { fuzzCodec(f, "Scanned") }
func FuzzFileStart(f *testing.F) { fuzzCodec(f, "FileStart") }
func FuzzFileEnd(f *testing.F)   { fuzzCodec(f, "FileEnd") }
func FuzzHole(f *testing.F)      { fuzzCodec(f, "Hole") }
func FuzzCheck(f *testing.F)     { fuzzCodec(f, "Check") }
func FuzzItemFail(f *testing.F)  { fuzzCodec(f, "ItemFail") }
func FuzzFailure(f *testing.F)   { fuzzCodec(f, "Failure") }
func FuzzWants(f *testing.F)     { fuzzCodec(f, "Wants") }
func FuzzRanges(f *testing.F)    { fuzzCodec(f, "Ranges") }
func FuzzPack(f *testing.F)      { fuzzCodec(f, "Pack") }

func FuzzCheckPath(f *testing.F) {
	for _, s := range []string{"a/b", "", "/", "..", "a/../b", "a//b", "a\x00b", "...", "./a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if err := CheckPath(path); err != nil && mft.CodeOf(err) != mft.CodeBadPath {
			t.Fatalf("CheckPath(%q): %v", path, err)
		} else if err == nil && !allowedByRule(path) {
			t.Fatalf("CheckPath(%q) lets it pass", path)
		} else if err != nil && allowedByRule(path) {
			t.Fatalf("CheckPath(%q): %v, want none", path, err)
		}
	})
}

// allowedByRule is the rule of mft.Item.Path, byte for byte.
func allowedByRule(path string) bool {
	name := ""
	for i := range len(path) + 1 {
		if i < len(path) && path[i] != '/' {
			name += string(path[i : i+1])
			if path[i] == 0 {
				return false
			}
			continue
		}
		if name == "" || name == "." || name == ".." {
			return false
		}
		name = ""
	}
	return len(path) <= 4096
}

// FuzzFrameReader feeds any bytes as frames. What is read must be what a
// FrameWriter writes, up to the point where the reader gives up.
func FuzzFrameReader(f *testing.F) {
	f.Add([]byte("\x0a\x00\x00\x00"), uint8(0))
	f.Add([]byte("\x04\x00\x00\x03abc\x20\x00\x00\x00"), uint8(1))
	f.Add([]byte("\x04\x00\x00\x03ab"), uint8(2))
	f.Add([]byte("\xff\xff\xff\xff"), uint8(0))
	f.Fuzz(func(t *testing.T, p []byte, way uint8) {
		r := NewFrameReader(bytes.NewReader(p))
		var again bytes.Buffer
		w := NewFrameWriter(&again)
		for {
			kind, n, err := r.Next()
			if err == io.EOF && !bytes.Equal(again.Bytes(), p) {
				t.Fatalf("frames %x were written as %x", p, again.Bytes())
			}
			if err != nil {
				break
			}
			var payload []byte
			if way%2 == 0 {
				payload, err = r.Payload()
			} else {
				payload, err = io.ReadAll(r)
			}
			if err != nil {
				break
			}
			if len(payload) != n {
				t.Fatalf("the payload has %d bytes, Next said %d", len(payload), n)
			}
			if err := w.WriteFrame(kind, payload); err != nil {
				t.Fatalf("WriteFrame of what was read: %v", err)
			}
		}
		if !bytes.HasPrefix(p, again.Bytes()) {
			t.Fatalf("frames %x were written as %x", p, again.Bytes())
		}
	})
}

func FuzzReadControl(f *testing.F) {
	f.Add([]byte("\x03\x00\x00\x00"))
	f.Add([]byte("\x01\x00\x00\x02hi"))
	f.Add([]byte("\x02\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, p []byte) {
		src := bytes.NewReader(p)
		kind, payload, err := ReadControl(src)
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := WriteControl(&again, kind, payload); err != nil {
			t.Fatalf("WriteControl of what was read: %v", err)
		}
		if used := p[:len(p)-src.Len()]; !bytes.Equal(again.Bytes(), used) {
			t.Fatalf("frame %x was written as %x", used, again.Bytes())
		}
	})
}
