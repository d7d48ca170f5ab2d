package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mft.dev/mft"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what should happen at once.
const patience = 30 * time.Second

// wires makes n connections over TCP.
func wires(t testing.TB, n int) (dialled, accepted []net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for range n {
		a, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		b, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			a.Close()
			b.Close()
		})
		dialled, accepted = append(dialled, a), append(accepted, b)
	}
	return dialled, accepted
}

// from hands out connections; with none left it fails.
func from(conns []net.Conn) Dialer {
	var mu sync.Mutex
	return func(context.Context) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		if len(conns) == 0 {
			return nil, mft.Fail(mft.CodeUnreachable, "dial", "", nil)
		}
		conn := conns[0]
		conns = conns[1:]
		return conn, nil
	}
}

func open(t testing.TB, terms Terms, dial Dialer) *Bundle {
	t.Helper()
	terms.Peer = "peer"
	b, err := Open(t.Context(), terms, dial)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { b.Close() })
	deadline := time.Now().Add(patience)
	if err := b.SetReadDeadline(deadline); err != nil {
		t.Fatal(err)
	}
	return b
}

// connect makes two ends of a bundle of n, and returns the connections too.
func connect(t testing.TB, n int) (a, b *Bundle, dialled, accepted []net.Conn) {
	t.Helper()
	dialled, accepted = wires(t, n)
	a = open(t, Terms{Streams: n, Dials: true}, from(dialled))
	b = open(t, Terms{Streams: n}, from(accepted))
	return a, b, dialled, accepted
}

func wantCode(t *testing.T, op string, err error, want mft.Code) {
	t.Helper()
	if got := mft.CodeOf(err); err == nil || got != want {
		t.Errorf("%s: %v [%s], want %s", op, err, got, want)
	}
}

func noise(size int, seed uint64) []byte {
	var key [32]byte
	key[0] = byte(seed)
	out := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(out) // never fails
	return out
}

// Whatever sizes are written and read, what is read is what was written, and
// the end comes after it.
func TestContent(t *testing.T) {
	for _, n := range []int{2, 3, Max} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			a, b, _, _ := connect(t, n)
			for _, ends := range [][2]*Bundle{{a, b}, {b, a}} {
				sizes := []int{0, 1, headerSize, segmentMax - 1, segmentMax, segmentMax + 1, 512 << 10, 3 << 20}
				random := rand.New(rand.NewPCG(1, 2))
				for range 20 {
					sizes = append(sizes, random.IntN(200<<10))
				}
				var all []byte
				for i, size := range sizes {
					all = append(all, noise(size, uint64(i))...)
				}
				var writer sync.WaitGroup
				writer.Go(func() {
					rest := all
					for _, size := range sizes {
						if got, err := ends[0].Write(rest[:size]); got != size || err != nil {
							t.Errorf("Write of %d = %d, %v", size, got, err)
							return
						}
						rest = rest[size:]
					}
				})
				got := make([]byte, len(all))
				for read := 0; read < len(got); {
					n, err := ends[1].Read(got[read:min(len(got), read+1+random.IntN(100<<10))])
					if err != nil {
						t.Fatalf("Read: %v", err)
					}
					read += n
				}
				writer.Wait()
				if !bytes.Equal(got, all) {
					t.Fatal("what arrived differs from what was written")
				}
			}
			if err := a.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("Read after the other end closed = %d, %v, want io.EOF", n, err)
			}
		})
	}
}

// What was written before Close arrives, although nobody read it yet.
func TestCloseLingers(t *testing.T) {
	a, b, _, _ := connect(t, 4)
	sent := noise(200<<10, 1)
	if _, err := a.Write(sent); err != nil {
		t.Fatal(err)
	}
	a.Close()
	got, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes arrived, %v; want %d and the end", len(got), err, len(sent))
	}
}

func TestAfterClose(t *testing.T) {
	a, _, _, _ := connect(t, 2)
	reading := make(chan error, 1)
	go func() {
		_, err := a.Read(make([]byte, 1))
		reading <- err
	}()
	a.Close()
	err := <-reading
	wantCode(t, "Read that was under way", err, mft.CodeDisconnected)
	_, err = a.Write([]byte("x"))
	wantCode(t, "Write", err, mft.CodeDisconnected)
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write: %v, want net.ErrClosed in it", err)
	}
	wantCode(t, "SetDeadline", a.SetDeadline(time.Time{}), mft.CodeDisconnected)
	if err := a.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// One connection that fails ends all, at both ends.
func TestCut(t *testing.T) {
	a, b, dialled, _ := connect(t, 4)
	var writer sync.WaitGroup
	writer.Go(func() {
		block := make([]byte, 256<<10)
		for {
			if _, err := a.Write(block); err != nil {
				wantCode(t, "Write", err, mft.CodeDisconnected)
				return
			}
		}
	})
	if _, err := io.CopyN(io.Discard, b, 1<<20); err != nil {
		t.Fatal(err)
	}
	dialled[2].Close()
	_, err := io.Copy(io.Discard, b)
	wantCode(t, "Read", err, mft.CodeDisconnected)
	writer.Wait()
	for _, end := range []*Bundle{a, b} {
		_, err := end.Write([]byte("x"))
		wantCode(t, "Write after the cut", err, mft.CodeDisconnected)
	}
}

// A reader that does not read holds the writer back. A deadline ends the Write,
// and what it said to have written arrives all the same.
func TestSlowReader(t *testing.T) {
	var dialled, accepted []net.Conn
	for range 3 { // which hold nothing back themselves
		one, other := net.Pipe()
		dialled, accepted = append(dialled, one), append(accepted, other)
	}
	var a *Bundle
	var both sync.WaitGroup
	both.Go(func() { a = open(t, Terms{Streams: 3, Dials: true}, from(dialled)) })
	b := open(t, Terms{Streams: 3}, from(accepted))
	both.Wait()
	sent := noise(64<<20, 3)
	type result struct {
		n   int
		err error
	}
	written := make(chan result, 1)
	go func() {
		n, err := a.Write(sent)
		written <- result{n, err}
	}()
	got := make([]byte, 1, len(sent))
	if _, err := io.ReadFull(b, got); err != nil {
		t.Fatal(err)
	}
	if err := a.SetWriteDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	w := <-written
	n, err := w.n, w.err
	wantCode(t, "Write", err, mft.CodeTimeout)
	if n == 0 || n == len(sent) {
		t.Fatalf("Write = %d, want some", n)
	}
	_, err = a.Write(sent)
	wantCode(t, "Write after the deadline", err, mft.CodeTimeout)
	if err := a.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	got = got[:n]
	if _, err := io.ReadFull(b, got[1:]); err != nil || !bytes.Equal(got, sent[:n]) {
		t.Fatalf("what arrived differs from what was written (%v)", err)
	}
	var writer sync.WaitGroup
	writer.Go(func() {
		if _, err := a.Write(sent[:1<<20]); err != nil {
			t.Errorf("Write: %v", err)
		}
	})
	got = make([]byte, 1<<20)
	if _, err := io.ReadFull(b, got); err != nil || !bytes.Equal(got, sent[:1<<20]) {
		t.Errorf("what arrived later differs from what was written (%v)", err)
	}
	writer.Wait()
}

func TestReadDeadline(t *testing.T) {
	a, b, _, _ := connect(t, 2)
	read := func() error { _, err := b.Read(make([]byte, 9)); return err }
	for _, d := range []time.Duration{-time.Hour, time.Millisecond} {
		if err := b.SetReadDeadline(time.Now().Add(d)); err != nil {
			t.Fatal(err)
		}
		wantCode(t, "Read", read(), mft.CodeTimeout)
	}
	if _, err := a.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "Read past a deadline", read(), mft.CodeTimeout)
	if err := b.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if err := read(); err != nil {
		t.Errorf("Read with a later deadline: %v", err)
	}
	// A deadline that is moved while Read waits counts for that Read.
	waiting := make(chan error, 1)
	go func() { waiting <- read() }()
	if err := b.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "Read that was under way", <-waiting, mft.CodeTimeout)
}

// Several write at once: each Write arrives in one piece.
func TestSeveralWriters(t *testing.T) {
	a, b, _, _ := connect(t, 4)
	const writers, size, times = 4, 50_000, 20
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for range times {
				if _, err := a.Write(bytes.Repeat([]byte{byte(w)}, size)); err != nil {
					t.Errorf("Write: %v", err)
				}
			}
		})
	}
	for range writers * times {
		got := make([]byte, size)
		if _, err := io.ReadFull(b, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, bytes.Repeat(got[:1], size)) {
			t.Fatal("two Writes were mixed")
		}
	}
	all.Wait()
}

// Those that cannot be made are done without.
func TestFewerThanAgreed(t *testing.T) {
	dialled, accepted := wires(t, 2)
	a := open(t, Terms{Streams: 5, Dials: true}, from(dialled))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	hand := from(accepted)
	b := open(t, Terms{Streams: 5}, func(dialling context.Context) (net.Conn, error) {
		conn, err := hand(dialling)
		if err != nil { // nobody comes
			select {
			case <-dialling.Done():
			case <-ctx.Done():
			}
		}
		return conn, err
	})
	sent := noise(1<<20, 5)
	var writer sync.WaitGroup
	writer.Go(func() {
		if _, err := a.Write(sent); err != nil {
			t.Errorf("Write: %v", err)
		}
		a.Close()
	})
	got, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes arrived, %v", len(got), err)
	}
	writer.Wait()
}

func TestOpenFails(t *testing.T) {
	_, err := Open(t.Context(), Terms{Streams: 3, Dials: true}, from(nil))
	wantCode(t, "Open when nobody answers", err, mft.CodeUnreachable)
	for _, n := range []int{-1, 0, 1, Max + 1} {
		_, err := Open(t.Context(), Terms{Streams: n}, from(nil))
		wantCode(t, fmt.Sprintf("Open of %d", n), err, mft.CodeInternal)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, accepted := wires(t, 2)
	cancel()
	if _, err := Open(ctx, Terms{Streams: 2}, from(accepted)); err == nil {
		t.Error("Open with a context that has ended succeeds")
	}
}
