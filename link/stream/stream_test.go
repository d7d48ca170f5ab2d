package stream

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"mft.dev/mft"
	"mft.dev/mft/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counted counts system calls, as far as a Raw makes them.
type counted struct {
	net.Conn
	reads, writes atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	c.reads.Add(1)
	return c.Conn.Read(p)
}

func (c *counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// end is one end of a connection that is ready for use.
type end struct {
	*Stream
	tls   *tls.Conn
	under *counted
}

// connect makes two ends over TCP.
func connect(t testing.TB) (a, b end) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	own, _, err := identity.EphemeralCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{own}, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13,
		SessionTicketsDisabled: true, DynamicRecordSizingDisabled: true,
	}
	make := func(conn net.Conn, secure func(net.Conn, *tls.Config) *tls.Conn) (end, error) {
		under := &counted{Conn: conn}
		raw := Under(under)
		c := secure(raw, config)
		err := c.Handshake()
		return end{New(c, raw, "peer"), c, under}, err
	}
	accepted := net.Conn(nil)
	var all sync.WaitGroup
	all.Go(func() { accepted, err = ln.Accept() })
	dialled, dialErr := net.Dial("tcp", ln.Addr().String())
	all.Wait()
	if err := errors.Join(err, dialErr); err != nil {
		t.Fatal(err)
	}
	all.Go(func() { b, err = make(accepted, tls.Server) })
	a, dialErr = make(dialled, tls.Client)
	all.Wait()
	if err := errors.Join(err, dialErr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

func TestFewSystemCalls(t *testing.T) {
	a, b := connect(t)
	content := make([]byte, 1<<20)
	before := a.under.writes.Load()
	var reader sync.WaitGroup
	reader.Go(func() {
		if _, err := io.ReadFull(b, make([]byte, len(content))); err != nil {
			t.Errorf("Read: %v", err)
		}
	})
	if _, err := a.Write(content); err != nil {
		t.Fatal(err)
	}
	reader.Wait()
	// 65 records; a buffer takes 16 of them.
	if got := a.under.writes.Load() - before; got > 5 {
		t.Errorf("%d writes for a mebibyte, want at most 5", got)
	}
}

// Whatever sizes are written and read, what is read is what was written, and
// all of it is there when Write has returned.
func TestContent(t *testing.T) {
	a, b := connect(t)
	sizes := []int{0, 1, 4, 16383, 16384, 16385, bulk - 1, bulk, bulk + 1, 3*bulk + 7, 1 << 20}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		sizes = append(sizes, random.IntN(600<<10))
	}
	for _, size := range sizes {
		sent := make([]byte, size)
		for i := range sent {
			sent[i] = byte(random.Uint32())
		}
		var writer sync.WaitGroup
		writer.Go(func() {
			if n, err := a.Write(sent); n != size || err != nil {
				t.Errorf("Write of %d = %d, %v", size, n, err)
			}
		})
		got := make([]byte, size)
		for read := 0; read < size; {
			n, err := b.Read(got[read:min(size, read+1+random.IntN(100<<10))])
			if err != nil {
				t.Fatalf("Read: %v", err)
			}
			read += n
		}
		writer.Wait()
		if !bytes.Equal(got, sent) {
			t.Fatalf("%d bytes arrived changed", size)
		}
	}
}

// One end reads while it writes, and several goroutines write.
func TestBothWaysAtOnce(t *testing.T) {
	a, b := connect(t)
	const writers, block, blocks = 3, 40_000, 25
	var all sync.WaitGroup
	for _, ends := range [][2]end{{a, b}, {b, a}} {
		for w := range writers {
			all.Go(func() {
				for range blocks {
					if _, err := ends[0].Write(bytes.Repeat([]byte{byte(w)}, block)); err != nil {
						t.Errorf("Write: %v", err)
						return
					}
				}
			})
		}
		all.Go(func() {
			got := make([]byte, block)
			var of [writers]int
			for range writers * blocks {
				if _, err := io.ReadFull(ends[1], got); err != nil {
					t.Errorf("Read: %v", err)
					return
				}
				if len(bytes.Trim(got, string(got[:1]))) != 0 {
					t.Error("the blocks of two writers are mixed")
					return
				}
				of[got[0]]++
			}
			if of != [writers]int{blocks, blocks, blocks} {
				t.Errorf("%v blocks arrived", of)
			}
		})
	}
	all.Wait()
}

func TestClose(t *testing.T) {
	a, b := connect(t)
	if _, err := a.Write([]byte("last")); err != nil {
		t.Fatal(err)
	}
	if err := a.Flush(); err != nil {
		t.Errorf("Flush: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	got, err := io.ReadAll(b)
	if string(got) != "last" || err != nil {
		t.Errorf("ReadAll = %q, %v", got, err)
	}
	_, err = a.Write([]byte("more"))
	wantCode(t, "Write after Close", err, mft.CodeDisconnected)
}

func TestCutOff(t *testing.T) {
	a, b := connect(t)
	if _, err := a.Write([]byte("last")); err != nil {
		t.Fatal(err)
	}
	a.under.Conn.Close() // without a goodbye
	got, err := io.ReadAll(b)
	if string(got) != "last" {
		t.Errorf("ReadAll = %q", got)
	}
	wantCode(t, "ReadAll", err, mft.CodeDisconnected)
	for err = nil; err == nil; { // until the network notices
		_, err = b.Write(make([]byte, 1<<20))
	}
	wantCode(t, "Write", err, mft.CodeDisconnected)
	wantCode(t, "Flush", b.Flush(), mft.CodeDisconnected)
}

func TestDeadlines(t *testing.T) {
	a, b := connect(t)
	past := time.Unix(1, 0)
	if err := errors.Join(b.SetReadDeadline(past), a.SetWriteDeadline(past)); err != nil {
		t.Fatal(err)
	}
	_, err := b.Read(make([]byte, 1))
	wantCode(t, "Read", err, mft.CodeTimeout)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read: %v, want it to wrap the cause", err)
	}
	_, err = a.Write(make([]byte, 1<<20))
	wantCode(t, "Write", err, mft.CodeTimeout)
}

// A Write that hangs because nobody reads is broken off by Close.
func TestCloseBreaksWriteOff(t *testing.T) {
	a, b := connect(t)
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := a.Write(make([]byte, 1<<20)); err != nil {
				ended <- err
				return
			}
		}
	}()
	for a.under.writes.Load() < 10 { // well under way
		if _, err := b.Read(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	a.Close()
	select {
	case err := <-ended:
		wantCode(t, "Write", err, mft.CodeDisconnected)
	case <-time.After(20 * time.Second):
		t.Error("Close did not end Write")
	}
}

// What Write holds goes to the network after crypto/tls has done its part;
// hanging there is no different.
func TestCloseBreaksFlushOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		own, _, err := identity.EphemeralCertificate(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		config := &tls.Config{Certificates: []tls.Certificate{own}, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
		raw := Under(near)
		client, server := tls.Client(raw, config), tls.Server(far, config)
		var all sync.WaitGroup
		all.Go(func() {
			if err := server.Handshake(); err != nil {
				t.Errorf("Handshake: %v", err)
			}
		})
		if err := client.Handshake(); err != nil {
			t.Fatal(err)
		}
		all.Wait()
		s := New(client, raw, "peer")
		all.Go(func() {
			_, err := s.Write(make([]byte, bulk/2))
			wantCode(t, "Write", err, mft.CodeDisconnected)
		})
		synctest.Wait()
		s.Close()
		all.Wait()
		far.Close()
	})
}

func wantCode(t *testing.T, what string, err error, want mft.Code) {
	t.Helper()
	if got := mft.CodeOf(err); got != want {
		t.Errorf("%s: code %s (%v), want %s", what, got, err, want)
	}
}
