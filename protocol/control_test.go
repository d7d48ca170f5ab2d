package protocol

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"mft.dev/mft"
)

// A countingWriter remembers how large each Write was, and fails once it has
// none left.
type countingWriter struct {
	bytes.Buffer
	sizes []int
	left  int
}

var errPipe = errors.New("broken pipe")

func (w *countingWriter) Write(p []byte) (int, error) {
	if w.left == 0 {
		return 0, errPipe
	}
	w.left--
	w.sizes = append(w.sizes, len(p))
	return w.Buffer.Write(p)
}

func TestControlFramesSurvive(t *testing.T) {
	w := countingWriter{left: 100}
	frames := []struct {
		kind    ControlKind
		payload []byte
	}{
		{ControlHello, []byte("hello")},
		{ControlPing, nil},
		{ControlPong, []byte("12345678")},
		{ControlEnvelope, bytes.Repeat([]byte("e"), MaxControl)},
		{ControlJoin, bytes.Repeat([]byte("j"), 64<<10)},
		{ControlJoined, []byte{1}},
		{ControlBye, []byte("bye")},
	}
	for i, f := range frames {
		if err := WriteControl(&w, f.kind, f.payload); err != nil {
			t.Fatalf("WriteControl(%v, %d bytes): %v", f.kind, len(f.payload), err)
		}
		if len(w.sizes) != i+1 {
			t.Errorf("WriteControl(%v) made %d writes, want 1", f.kind, len(w.sizes)-i)
		}
	}
	r := iotest.HalfReader(&w.Buffer)
	for _, f := range frames {
		kind, payload, err := ReadControl(r)
		if err != nil || kind != f.kind || !bytes.Equal(payload, f.payload) {
			t.Fatalf("ReadControl = %v, %d bytes, %v, want %v, %d bytes", kind, len(payload), err, f.kind, len(f.payload))
		}
	}
	if _, _, err := ReadControl(r); err != io.EOF {
		t.Errorf("ReadControl at the end: %v, want io.EOF", err)
	}
}

func TestWriteControlRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		kind ControlKind
		n    int
	}{
		"kind 0": {0, 1}, "kind 8": {8, 1}, "a large envelope": {ControlEnvelope, MaxControl + 1},
		"an empty hello": {ControlHello, 0}, "a large ping": {ControlPing, 65},
	} {
		t.Run(name, func(t *testing.T) {
			w := countingWriter{left: 1}
			wantError(t, "WriteControl", WriteControl(&w, tc.kind, make([]byte, tc.n)), mft.CodeProtocol, "write control frame")
			if w.Len() > 0 {
				t.Errorf("%d bytes were written", w.Len())
			}
		})
	}
	err := WriteControl(&countingWriter{}, ControlPing, nil)
	wantError(t, "WriteControl to a broken pipe", err, mft.CodeDisconnected, "broken pipe")
	if !errors.Is(err, errPipe) {
		t.Errorf("%v does not wrap %v", err, errPipe)
	}
}

func TestReadControlRefuses(t *testing.T) {
	coded := mft.Fail(mft.CodeUntrusted, "shake hands", "", nil)
	for name, tc := range map[string]struct {
		r     io.Reader
		code  mft.Code
		words string
	}{
		"kind 0":             {strings.NewReader("\x00\x00\x00\x00"), mft.CodeProtocol, "kind: 0"},
		"kind 255":           {strings.NewReader("\xff\x00\x00\x00"), mft.CodeProtocol, "kind: 255"},
		"too long":           {strings.NewReader("\x02\x04\x00\x01"), mft.CodeProtocol, "length: 262145 bytes"},
		"long hello":         {strings.NewReader("\x01\x04\x00\x00"), mft.CodeProtocol, "length: 262144 bytes of hello"},
		"empty hello":        {strings.NewReader("\x01\x00\x00\x00"), mft.CodeProtocol, "length: 0 bytes of hello"},
		"HTTP":               {strings.NewReader("GET / HTTP/1.1\r\n"), mft.CodeProtocol, "kind: 71"},
		"cut in the header":  {strings.NewReader("\x02\x00\x00"), mft.CodeDisconnected, "unexpected EOF"},
		"cut at the payload": {strings.NewReader("\x02\x00\x00\x02"), mft.CodeDisconnected, "unexpected EOF"},
		"cut in the payload": {strings.NewReader("\x02\x00\x00\x02x"), mft.CodeDisconnected, "unexpected EOF"},
		"broken":             {iotest.ErrReader(errPipe), mft.CodeDisconnected, "broken pipe"},
		"with a code":        {iotest.ErrReader(coded), mft.CodeUntrusted, "read control frame"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := ReadControl(tc.r)
			wantError(t, "ReadControl", err, tc.code, tc.words)
			if errors.Is(err, io.EOF) {
				t.Errorf("ReadControl: %v is io.EOF, want it only between frames", err)
			}
		})
	}
}

// A meter fills what it is given from n bytes, and remembers the largest
// buffer that it was offered in relation to what it had given until then.
type meter struct{ n, given, most int }

func (m *meter) Read(p []byte) (int, error) {
	m.most = max(m.most, len(p)-m.given)
	if m.given == m.n {
		return 0, io.EOF
	}
	n := min(len(p), m.n-m.given)
	m.given += n
	return n, nil
}

// TestHeadersAloneCostLittle: who announces much and sends little makes this
// end allocate little.
func TestHeadersAloneCostLittle(t *testing.T) {
	for _, n := range []int{0, 1, firstRead, 5 * firstRead} {
		m := &meter{n: n}
		_, err := readGrowing(m, nil, MaxFrame)
		if err != io.EOF && err != io.ErrUnexpectedEOF {
			t.Errorf("readGrowing of %d bytes: %v, want an early end", n, err)
		}
		if m.most > firstRead {
			t.Errorf("readGrowing of %d bytes made room for %d more than had come, want at most %d", n, m.most, firstRead)
		}
	}
}

func TestReadGrowingReadsAll(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), MaxFrame/16)
	for _, n := range []int{0, 1, firstRead - 1, firstRead, firstRead + 1, 3 * firstRead, MaxFrame} {
		src := bytes.NewReader(want)
		got, err := readGrowing(src, nil, n)
		if err != nil || !bytes.Equal(got, want[:n]) || src.Len() != len(want)-n {
			t.Errorf("readGrowing(%d) = %d bytes, %v; %d are left, want %d", n, len(got), err, src.Len(), len(want)-n)
		}
	}
}

func TestParseHelloRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(h *Hello)
		words  string
	}{
		"no version":        {func(h *Hello) { h.Versions = nil }, "versions: none"},
		"many versions":     {func(h *Hello) { h.Versions = make([]uint8, MaxVersions+1) }, "versions:"},
		"no agent":          {func(h *Hello) { h.Agent = "" }, "agent:"},
		"bad agent":         {func(h *Hello) { h.Agent = "a--b" }, "agent:"},
		"long software":     {func(h *Hello) { h.Software = strings.Repeat("s", MaxSoftware+1) }, "software:"},
		"coloured software": {func(h *Hello) { h.Software = "\x1b[31mmft" }, "software: contains a control character"},
		"long address":      {func(h *Hello) { h.Address = strings.Repeat("a", MaxAddress+1) }, "address:"},
		"C1 in address":     {func(h *Hello) { h.Address = "\u009b2J" }, "address: contains a control character"},
	} {
		t.Run(name, func(t *testing.T) {
			h := Hello{Versions: []uint8{1}, Agent: "erp", Software: "mft 1.0", Address: "erp.example:7420"}
			tc.change(&h)
			_, err := ParseHello(AppendHello(nil, &h))
			wantError(t, "ParseHello", err, mft.CodeProtocol, tc.words)
		})
	}
}

func TestChooseVersion(t *testing.T) {
	for name, tc := range map[string]struct {
		a, b []uint8
		want uint8
		ok   bool
	}{
		"same":        {[]uint8{1}, []uint8{1}, 1, true},
		"highest":     {[]uint8{1, 2, 3}, []uint8{3, 2, 4}, 3, true},
		"unordered":   {[]uint8{2, 1, 3}, []uint8{9, 1, 2}, 2, true},
		"none common": {[]uint8{1}, []uint8{2}, 0, false},
		"none":        {nil, []uint8{1}, 0, false},
		"zero":        {[]uint8{0}, []uint8{0}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, p := range [][2][]uint8{{tc.a, tc.b}, {tc.b, tc.a}} {
				if got, ok := ChooseVersion(p[0], p[1]); got != tc.want || ok != tc.ok {
					t.Errorf("ChooseVersion(%v, %v) = %d, %t, want %d, %t", p[0], p[1], got, ok, tc.want, tc.ok)
				}
			}
		})
	}
}
