// Package post carries messages, and with them open files, between processes of one
// host over a Unix socket.
//
//	here, there, err := post.Pair()         // there is for a process that is started
//	err = here.Send(post.Message{Kind: 1, ID: 7, Payload: b, File: raw})
//	m, err := here.Receive()
//
// A message has a kind, a number and at most [MaxPayload] bytes, and may bring one
// file. What comes is held to that; memory is taken as bytes come. The package knows
// no kinds, and whoever breaks the form is heard no further. It needs Linux.
package post

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
)

// MaxPayload is the most that a message may say: the names of a batch of the journal,
// and a little.
const MaxPayload = 80 << 20

// A Message is one of those that are carried. Payload is valid until the next call
// of Receive.
type Message struct {
	Kind    uint8
	ID      uint32
	Payload []byte
	// File goes with the message, or came with it; then it is the receiver's to close.
	File *os.File
	// Conn takes the place of File in a message that is sent: the file is that of the
	// connection, which stays open here.
	Conn syscall.Conn
}

// A Conn is one end. One goroutine receives; any may send.
type Conn struct {
	socket *net.UnixConn

	sending sync.Mutex
	out     []byte

	most   uint32 // that a payload may have
	buffer []byte // where messages are put together
	files  []int  // that came and belong to no message yet
}

// header is u32 length of the payload, u8 kind, u8 1 for one with a file, u32 number.
const headerSize = 10

var errForm = errors.New("what came over the socket is no message")

// New takes over a connection.
func New(socket *net.UnixConn) *Conn { return &Conn{socket: socket, most: MaxPayload} }

// Bound lowers the most that a message which comes may say. It is called before Receive.
func (c *Conn) Bound(most uint32) { c.most = min(most, MaxPayload) }

// Socket returns the connection below.
func (c *Conn) Socket() *net.UnixConn { return c.socket }

// Close closes the connection. Send and Receive that are under way fail.
func (c *Conn) Close() error { return c.socket.Close() }

// Send returns when a message has been handed to the kernel.
func (c *Conn) Send(m Message) error {
	if len(m.Payload) > MaxPayload {
		return fmt.Errorf("a message has at most %d bytes, not %d", MaxPayload, len(m.Payload))
	}
	if m.File != nil {
		m.Conn = m.File
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	b := binary.LittleEndian.AppendUint32(c.out[:0], uint32(len(m.Payload)))
	b = append(b, m.Kind, 0)
	b = binary.LittleEndian.AppendUint32(b, m.ID)
	if m.Conn != nil {
		b[5] = 1
	}
	const together = 64 << 10
	rest := m.Payload
	if len(rest) <= together {
		b, rest = append(b, rest...), nil
	}
	c.out = b
	if m.Conn != nil {
		n, err := sendFile(c.socket, b, m.Conn)
		if err != nil {
			return fmt.Errorf("sending a file: %w", err)
		}
		b = b[n:]
	}
	for _, p := range [][]byte{b, rest} {
		if len(p) == 0 {
			continue
		}
		if _, err := c.socket.Write(p); err != nil {
			return fmt.Errorf("sending a message: %w", err)
		}
	}
	return nil
}

// Receive returns the next message. The error is io.EOF when the other end has
// closed the connection between two messages.
func (c *Conn) Receive() (Message, error) {
	head, err := c.next(headerSize)
	if err != nil {
		return Message{}, err
	}
	m := Message{Kind: head[4], ID: binary.LittleEndian.Uint32(head[6:])}
	size, brings := binary.LittleEndian.Uint32(head), head[5]
	if size > c.most || brings > 1 {
		return Message{}, errForm
	}
	if m.Payload, err = c.next(int(size)); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Message{}, err
	}
	// A file comes with the first byte of its message.
	if len(c.files) != int(brings) {
		c.drop()
		return Message{}, errForm
	}
	if brings == 1 {
		m.File = os.NewFile(uintptr(c.files[0]), "received")
		c.files = nil
	}
	return m, nil
}

const (
	// readAtOnce is how much memory is taken before as much has come.
	readAtOnce = 64 << 10
	// keepMost is how much of it is kept for the next message.
	keepMost = 1 << 20
)

// next returns the next n bytes, valid until the next call. No more is read: what
// follows may bring a file.
func (c *Conn) next(n int) ([]byte, error) {
	if cap(c.buffer) > keepMost {
		c.buffer = nil
	}
	c.buffer = c.buffer[:0]
	for len(c.buffer) < n {
		have := len(c.buffer)
		want := min(n-have, max(readAtOnce, have))
		c.buffer = slices.Grow(c.buffer, want)
		got, files, err := receive(c.socket, c.buffer[have:have+want])
		if c.files = append(c.files, files...); len(c.files) > 1 {
			c.drop()
			return nil, errForm
		}
		c.buffer = c.buffer[:have+got]
		switch {
		case errors.Is(err, io.EOF), err == nil && got == 0:
			if len(c.buffer) == 0 {
				return nil, io.EOF
			}
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, fmt.Errorf("receiving a message: %w", err)
		}
	}
	return c.buffer, nil
}

// drop closes files that nobody is to have.
func (c *Conn) drop() {
	for _, fd := range c.files {
		os.NewFile(uintptr(fd), "unwanted").Close()
	}
	c.files = nil
}
