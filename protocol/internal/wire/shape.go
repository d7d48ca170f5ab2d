package wire

import (
	"fmt"

	"mft.dev/mft"
)

// A Shape is what is known of a kind of frame: its name and how long its
// payload may be.
type Shape struct {
	Name     string
	Min, Max int
}

// Sized returns the shape of frames of least to most bytes.
func Sized(name string, least, most int) Shape { return Shape{name, least, most} }

// Fits checks a frame's header, of a payload of n bytes, against the kinds
// there are. The error has CodeProtocol.
func Fits(shapes []Shape, op string, kind uint8, n int) error {
	bad := func(why string, args ...any) error {
		return mft.Fail(mft.CodeProtocol, op, "", fmt.Errorf(why, args...))
	}
	if int(kind) >= len(shapes) || shapes[kind].Name == "" {
		return bad("kind: %d is none", kind)
	}
	if s := shapes[kind]; n < s.Min || n > s.Max {
		return bad("length: %d bytes of %s, and %d to %d are allowed", n, s.Name, s.Min, s.Max)
	}
	return nil
}

// ShapeName returns the name of a kind of frame.
func ShapeName(shapes []Shape, kind uint8) string {
	if int(kind) < len(shapes) && shapes[kind].Name != "" {
		return shapes[kind].Name
	}
	return fmt.Sprintf("kind %d", kind)
}
