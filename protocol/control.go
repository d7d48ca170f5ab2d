package protocol

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/protocol/internal/wire"
)

// ControlKind says what a frame of a control connection holds.
type ControlKind uint8

// The kinds of control frame.
const (
	// ControlHello is the first frame of either end: a Hello.
	ControlHello ControlKind = iota + 1
	// ControlEnvelope is a signed Envelope.
	ControlEnvelope
	// ControlPing asks for a ControlPong with the same payload.
	ControlPing
	ControlPong
	// ControlBye is the last frame of either end, and says why: AppendFailure.
	ControlBye
	// ControlJoin and ControlJoined pair two agents by an invitation; their
	// payload is that of package identity.
	ControlJoin
	ControlJoined
)

var controlShapes = [...]wire.Shape{
	ControlHello:    wire.Sized("hello", 1, 4<<10),
	ControlEnvelope: wire.Sized("envelope", 1, MaxControl),
	ControlPing:     wire.Sized("ping", 0, 64),
	ControlPong:     wire.Sized("pong", 0, 64),
	ControlBye:      wire.Sized("bye", 1, 4<<10),
	ControlJoin:     wire.Sized("join", 0, 64<<10),
	ControlJoined:   wire.Sized("joined", 0, 64<<10),
}

// String returns the kind's name in lower case.
func (k ControlKind) String() string { return wire.ShapeName(controlShapes[:], uint8(k)) }

// headerSize is the length of a frame's header: kind u8, length u24.
const headerSize = 4

func appendHeader(b []byte, kind uint8, n int) []byte {
	return append(b, kind, uint8(n>>16), uint8(n>>8), uint8(n))
}

func parseHeader(h []byte) (kind uint8, n int) {
	return h[0], int(h[1])<<16 | int(h[2])<<8 | int(h[3])
}

// broken gives an error of a connection a code unless it has one. Inside a
// frame there is no orderly end.
func broken(op string, err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	var coded *mft.Error
	if errors.As(err, &coded) {
		return fmt.Errorf("%s: %w", op, err)
	}
	return mft.Fail(mft.CodeDisconnected, op, "", err)
}

// WriteControl writes one control frame with one call of w.Write. A payload
// that the kind does not allow gives CodeProtocol and writes nothing; an error
// of w without a code gets CodeDisconnected.
func WriteControl(w io.Writer, k ControlKind, payload []byte) error {
	const op = "write control frame"
	if err := wire.Fits(controlShapes[:], op, uint8(k), len(payload)); err != nil {
		return err
	}
	b := appendHeader(make([]byte, 0, headerSize+len(payload)), uint8(k), len(payload))
	if _, err := w.Write(append(b, payload...)); err != nil {
		return broken(op, err)
	}
	return nil
}

// ReadControl reads one control frame. It reads no byte beyond it. The error
// is io.EOF when r ends before the frame begins, has CodeProtocol when the
// header does not fit, and CodeDisconnected when r breaks off.
func ReadControl(r io.Reader) (ControlKind, []byte, error) {
	const op = "read control frame"
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		if err == io.EOF {
			return 0, nil, io.EOF
		}
		return 0, nil, broken(op, err)
	}
	kind, n := parseHeader(h[:])
	if err := wire.Fits(controlShapes[:], op, kind, n); err != nil {
		return 0, nil, err
	}
	payload, err := readGrowing(r, nil, n)
	if err != nil {
		return 0, nil, broken(op, err)
	}
	return ControlKind(kind), payload, nil
}

// firstRead is how much is allocated for a payload on the word of its header
// alone.
const firstRead = 64 << 10

// readGrowing reads n bytes into buf, which grows no faster than bytes come.
func readGrowing(r io.Reader, buf []byte, n int) ([]byte, error) {
	buf = buf[:0]
	for len(buf) < n {
		have := len(buf)
		step := min(n, max(cap(buf), firstRead, 2*have)) - have
		buf = slices.Grow(buf, step)[:have+step]
		if _, err := io.ReadFull(r, buf[have:]); err != nil {
			return nil, err
		}
	}
	return buf, nil
}

// A Hello is how an agent introduces itself on a control connection.
type Hello struct {
	// Versions are the protocol versions that the agent speaks, 1 to
	// MaxVersions of them.
	Versions []uint8
	Agent    mft.AgentName
	// Software names program and version, for people.
	Software string
	// Address is where this agent listens, host:port; may be empty.
	Address string
}

// AppendHello appends the payload of a ControlHello.
func AppendHello(b []byte, h *Hello) []byte {
	b = wire.AppendBytes(b, h.Versions)
	b = wire.AppendBytes(b, h.Agent)
	b = wire.AppendBytes(b, h.Software)
	return wire.AppendBytes(b, h.Address)
}

// ParseHello reads what AppendHello wrote. Versions that this end does not
// know are fine.
func ParseHello(p []byte) (Hello, error) {
	c := wire.Read("read hello", p)
	h := Hello{Versions: c.Copy("versions", MaxVersions)}
	if len(h.Versions) == 0 {
		c.Fail("versions", "none")
	}
	h.Agent = c.Agent("agent")
	h.Software = c.Line("software", MaxSoftware)
	h.Address = c.Line("address", MaxAddress)
	return wire.Done(&c, h)
}

// ChooseVersion returns the highest version that is in both lists. The order
// of the lists and of the arguments does not matter.
func ChooseVersion(a, b []uint8) (uint8, bool) {
	var best uint8
	found := false
	for _, v := range a {
		if slices.Contains(b, v) && (!found || v > best) {
			best, found = v, true
		}
	}
	return best, found
}
