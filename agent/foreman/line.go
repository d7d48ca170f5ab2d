package foreman

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"

	"mft.dev/mft"
	"mft.dev/mft/agent/worker/errand"
	"mft.dev/mft/internal/post"
	"mft.dev/mft/transfer"
)

// raw gets the worker a data connection.
func (d *desk) raw(ctx context.Context) (any, syscall.Conn, error) {
	if d.line == nil {
		return nil, nil, errNotHere
	}
	raw, err := d.line.OpenRaw(ctx)
	if err != nil {
		return nil, nil, err
	}
	conn, ok := raw.Conn.(syscall.Conn)
	if !ok {
		raw.Close()
		return nil, nil, mft.Fail(mft.CodeInternal, "hand over a data connection", "", errors.New("it is none of the system's"))
	}
	return errand.Raw{Name: raw.Name, Heard: raw.Heard}, conn, nil
}

// plain gives the worker a connection whose content goes through this process.
func (d *desk) plain(ctx context.Context, s *errand.Said) (any, syscall.Conn, error) {
	var p errand.Plain
	if err := s.Parse(&p); err != nil {
		return nil, nil, err
	}
	if d.conv == nil || d.line != nil || p.Streams < 1 || p.Streams > transfer.MaxStreams {
		return nil, nil, errNotHere
	}
	content, err := d.conv.OpenData(ctx, p.PeerKey, p.Streams)
	if err != nil {
		return nil, nil, err
	}
	here, there, err := post.Pair()
	if err != nil {
		content.Close()
		return nil, nil, mft.Fail(mft.CodeInternal, "hand over a data connection", "", err)
	}
	d.all.Go(func() { carry(ctx, content, here.Socket()) })
	return nil, there, nil
}

// carry passes on what comes from either of two connections, until both have ended
// or ctx has.
func carry(ctx context.Context, content net.Conn, socket *net.UnixConn) {
	end := func() {
		content.Close()
		socket.Close()
	}
	defer end()
	defer context.AfterFunc(ctx, end)()
	var both sync.WaitGroup
	both.Go(func() {
		copyAll(socket, content)
		_ = socket.CloseWrite() // the worker reads what there is, and then the end
	})
	both.Go(func() {
		copyAll(content, socket)
		content.Close() // the worker has closed its end
	})
	both.Wait()
}

// copyAll copies until either fails: whoever is told of it is at the other end.
func copyAll(to, from net.Conn) {
	b := make([]byte, 256<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
