package landing

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"mft.dev/mft"
	"mft.dev/mft/transfer/staging"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// begin returns an output to a file that has offset bytes, opened as flag says.
func begin(t testing.TB, offset int64, flag int) *output {
	t.Helper()
	p := filepath.Join(t.TempDir(), "temp")
	if err := os.WriteFile(p, make([]byte, offset), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(p, flag, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return write(&staging.File{File: f}, "final", offset)
}

func buffers(n, size int) chan []byte {
	c := make(chan []byte, n)
	for range n {
		c <- make([]byte, size)
	}
	return c
}

func TestOutput(t *testing.T) {
	o := begin(t, 3, os.O_RDWR)
	home := buffers(2, 5) // fewer than the queue holds: they have to come back
	want := make([]byte, 3)
	for i := range 4 * outputAhead {
		p := <-home
		p = p[:1+i%5]
		for j := range p {
			p[j] = byte(i)
		}
		at := int64(len(want))
		want = append(want, p...)
		if err := o.put(t.Context(), chunk{at: at, content: p, home: home}); err != nil {
			t.Fatal(err)
		}
	}
	end := int64(len(want))
	if err := o.put(t.Context(), chunk{at: end, good: true}); err != nil {
		t.Fatal(err)
	}
	if err := o.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if o.wrote != end || o.verified != end {
		t.Errorf("wrote %d, verified %d, want %d", o.wrote, o.verified, end)
	}
	if err := o.stop(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(o.file.Name()); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file has %v, %v, want %v", got, err, want)
	}
	if len(home) != cap(home) {
		t.Errorf("%d buffers of %d came back", len(home), cap(home))
	}
}

// TestOutputFails: after a write that failed nothing is verified any more,
// buffers come back all the same, and nobody waits for ever.
func TestOutputFails(t *testing.T) {
	o := begin(t, 7, os.O_RDONLY)
	home := buffers(outputAhead+1, 5)
	if err := o.put(t.Context(), chunk{at: 7, content: <-home, home: home}); err != nil {
		t.Fatal(err)
	}
	<-o.fault
	if err := o.put(t.Context(), chunk{at: 12, good: true}); mft.CodeOf(err) == mft.CodeOK {
		t.Error("put after a failed write: no error")
	}
	// Whoever did not look yet fills the queue, and more.
	for range 3 * outputAhead {
		o.queue <- chunk{at: 12, content: <-home, home: home}
		o.queue <- chunk{at: 17, good: true}
	}
	if err := o.wait(t.Context()); err == nil {
		t.Error("wait after a failed write: no error")
	}
	if err := o.stop(); err == nil {
		t.Error("stop after a failed write: no error")
	}
	if o.wrote != 7 || o.verified != 7 {
		t.Errorf("wrote %d, verified %d, want 7", o.wrote, o.verified)
	}
	if len(home) != cap(home) {
		t.Errorf("%d buffers of %d came back", len(home), cap(home))
	}
}

func TestOutputIsInterrupted(t *testing.T) {
	o := &output{queue: make(chan chunk), fault: make(chan struct{})} // nobody takes anything
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.put(ctx, chunk{}); !errors.Is(err, context.Canceled) {
		t.Errorf("put = %v, want %v", err, context.Canceled)
	}
}

// BenchmarkOutput hands over and writes chunks; nothing is allocated.
func BenchmarkOutput(b *testing.B) {
	const size = 256 << 10
	o := begin(b, 0, os.O_RDWR)
	home := buffers(outputAhead+1, size)
	b.SetBytes(size)
	b.ReportAllocs()
	i := int64(0)
	for b.Loop() {
		if err := o.put(b.Context(), chunk{at: i % 64 * size, content: <-home, home: home}); err != nil {
			b.Fatal(err)
		}
		i++
	}
	if err := o.stop(); err != nil {
		b.Fatal(err)
	}
}
