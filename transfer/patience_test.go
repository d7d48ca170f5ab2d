package transfer_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
)

// The clock of these tests jumps when everybody waits.

func TestReaderIsPatientWithASlowLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer here.Close()
		content := bytes.Repeat([]byte("slow"), 100)
		go func() {
			defer there.Close()
			w := protocol.NewFrameWriter(trickle{there, transfer.Patience - time.Second})
			if err := w.WriteFrame(protocol.FrameData, content); err != nil {
				t.Errorf("WriteFrame: %v", err)
			}
		}()
		began := time.Now()
		frames := protocol.NewFrameReader(transfer.NewReader(here))
		if _, n, err := frames.Next(); err != nil || n != len(content) {
			t.Fatalf("Next = %d, %v, want %d bytes", n, err, len(content))
		}
		got, err := frames.Payload()
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("Payload = %q, %v, want what was sent", got, err)
		}
		if took := time.Since(began); took < 10*transfer.Patience {
			t.Errorf("the frame took %v: the link was not slow", took)
		}
	})
}

// trickle writes byte by byte.
type trickle struct {
	io.Writer
	pause time.Duration
}

func (w trickle) Write(p []byte) (int, error) {
	for i := range p {
		time.Sleep(w.pause)
		if _, err := w.Writer.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

func TestReaderGivesADeadLinkUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer here.Close()
		defer there.Close()
		r := transfer.NewReader(here)
		go func() { _, _ = there.Write([]byte("x")) }()
		if n, err := r.Read(make([]byte, 9)); n != 1 || err != nil {
			t.Fatalf("Read = %d, %v, want a byte", n, err)
		}
		began := time.Now()
		if _, err := r.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read = %v, want that it took too long", err)
		}
		if waited := time.Since(began); waited != transfer.Patience {
			t.Errorf("Read waited %v, want %v", waited, transfer.Patience)
		}
	})
}

func TestReaderStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer here.Close()
		defer there.Close()
		r := transfer.NewReader(here)
		failed := make(chan error, 1)
		go func() {
			_, err := r.Read(make([]byte, 1))
			failed <- err
		}()
		synctest.Wait()
		began := time.Now()
		r.Stop()
		if err := <-failed; err == nil || time.Since(began) != 0 {
			t.Errorf("a Read under way = %v after %v, want an error at once", err, time.Since(began))
		}
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a later Read = %v, want %v", err, net.ErrClosed)
		}
	})
}

func TestWriterIsPatientWithASlowLink(t *testing.T) {
	const pause = transfer.WriteTimeout - time.Second
	for _, size := range []int{1, transfer.WriteStep, transfer.WriteStep + 1, 4 * transfer.WriteStep} {
		synctest.Test(t, func(t *testing.T) {
			here, there := net.Pipe()
			defer here.Close()
			var got bytes.Buffer
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				defer there.Close()
				step := make([]byte, transfer.WriteStep)
				for got.Len() < size {
					time.Sleep(pause)
					n, err := io.ReadAtLeast(there, step, min(size-got.Len(), len(step)))
					got.Write(step[:n])
					if err != nil {
						t.Errorf("Read: %v", err)
						return
					}
				}
			}()
			content := bytes.Repeat([]byte{7}, size)
			if n, err := (transfer.Writer{Conn: here}).Write(content); n != size || err != nil {
				t.Errorf("Write of %d bytes = %d, %v", size, n, err)
			}
			<-ended
			if !bytes.Equal(got.Bytes(), content) {
				t.Errorf("%d bytes arrived of %d, or others", got.Len(), size)
			}
		})
	}
}

func TestWriterGivesADeafPeerUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer here.Close()
		defer there.Close()
		began := time.Now()
		n, err := transfer.Writer{Conn: here}.Write(make([]byte, 3*transfer.WriteStep))
		if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write = %d, %v, want that it took too long", n, err)
		}
		if waited := time.Since(began); waited != transfer.WriteTimeout {
			t.Errorf("Write waited %v, want %v", waited, transfer.WriteTimeout)
		}
	})
}
