package listing

import (
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/internal/wire"
)

// A Linked says that paths of items are names of one file.
type Linked struct {
	First  string
	Others []string // at least one
}

// Names returns all paths, none of the zero value.
func (l *Linked) Names() []string {
	if len(l.Others) == 0 {
		return nil
	}
	return append([]string{l.First}, l.Others...)
}

// MostLinked is how many bytes AppendLinked may write, so that frames stay small.
const MostLinked = 128 << 10

// AppendLinked appends the payload of a protocol.FrameLinked.
func AppendLinked(b []byte, l *Linked) []byte {
	b = wire.AppendBytes(b, l.First)
	for _, other := range l.Others {
		b = wire.AppendBytes(b, other)
	}
	return b
}

// ParseLinked reads what AppendLinked wrote.
func ParseLinked(p []byte) (Linked, error) {
	c := wire.Read("read linked frame", p)
	l := Linked{First: readItem(&c)}
	for i := 0; c.More() && c.Err() == nil; i++ {
		c.Entry(i)
		l.Others = append(l.Others, readItem(&c))
	}
	if len(l.Others) == 0 {
		c.Fail("others", "there are none")
	}
	return wire.Done(&c, l)
}

// readItem reads the path of an item.
func readItem(c *wire.Reader) string {
	path := c.Path("path")
	if err := protocol.CheckPath(path); err != nil && c.Err() == nil {
		c.FailWith("", err)
	}
	return path
}
