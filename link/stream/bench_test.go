//go:build unix

package stream

import (
	"fmt"
	"io"
	"sync"
	"syscall"
	"testing"
	"time"
)

// BenchmarkStream compares crypto/tls alone with a Stream, both ends in one
// process over the loopback, for the sizes of Write that a transfer uses.
// Processor time is the measure that other work on the host disturbs least.
func BenchmarkStream(b *testing.B) {
	for _, size := range []int{64 << 10, 256 << 10, 1 << 20} {
		for _, kind := range []string{"tls", "stream"} {
			b.Run(fmt.Sprintf("%s/%dKiB", kind, size>>10), func(b *testing.B) {
				from, to := connect(b)
				var w io.Writer = from
				r := to.Stream.Conn
				if kind == "tls" {
					// No Raw in between: the records go to the network one by one.
					from.Stream.raw.in, to.Stream.raw.in = nil, nil
					w = from.tls
				}
				block := make([]byte, size)
				var reader sync.WaitGroup
				reader.Go(func() {
					if n, err := io.CopyN(io.Discard, onlyReader{r}, int64(b.N)*int64(size)); err != nil {
						b.Errorf("%d bytes arrived: %v", n, err)
					}
				})
				b.ResetTimer()
				cpu := cpuTime(b)
				from.under.writes.Store(0)
				to.under.reads.Store(0)
				b.SetBytes(int64(size))
				for range b.N {
					if _, err := w.Write(block); err != nil {
						b.Fatal(err)
					}
				}
				reader.Wait()
				moved := float64(b.N) * float64(size) / (1 << 20)
				b.ReportMetric((cpuTime(b)-cpu).Seconds()*1e3/(moved/1024), "cpu-ms/GiB")
				b.ReportMetric(float64(from.under.writes.Load())/moved, "writes/MiB")
				b.ReportMetric(float64(to.under.reads.Load())/moved, "reads/MiB")
			})
		}
	}
}

// onlyReader hides WriteTo.
type onlyReader struct{ io.Reader }

// cpuTime is what this process has used so far.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
