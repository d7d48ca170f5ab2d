//go:build linux

// Command bench measures mft against what people would use instead, on this
// machine: two agents and rsync over ssh move the same file, in turns, so that
// whatever else the machine does meets both.
//
//	go run ./bench -quick         one file of 1 GiB, three rounds
//	go run ./bench -size 4294967296 -rounds 7
//
// It prints the median of each and the ratio, and the numbers that these were
// taken from. It needs rsync, ssh and sshd (interop/install-peers.sh); it
// listens on loopback only, keeps everything in a directory of its own and
// removes it. It refuses to judge: numbers depend on the machine, and no test
// ever times anything.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A contender moves a file.
type contender struct {
	name string
	// move brings the file to the destination, and returns when its user
	// would say that it is there.
	move func(ctx context.Context, source, dest string) error
}

type options struct {
	size   int64
	rounds int
	dir    string
}

func main() {
	quick := flag.Bool("quick", false, "one file of 1 GiB, three rounds")
	var o options
	flag.Int64Var(&o.size, "size", 4<<30, "size of the file in bytes")
	flag.IntVar(&o.rounds, "rounds", 5, "how often each contender moves it")
	flag.StringVar(&o.dir, "dir", "", "where to work; a directory on the disk to measure (default: the temporary one)")
	flag.Parse()
	if *quick {
		o.size, o.rounds = 1<<30, 3
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out io.Writer) (err error) {
	dir, err := os.MkdirTemp(o.dir, "mft-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	source := filepath.Join(dir, "source")
	if err := fill(source, o.size); err != nil {
		return fmt.Errorf("making the file: %w", err)
	}

	agents, err := startAgents(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, agents.stop()) }()
	ssh, err := startSSH(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ssh.stop()) }()

	contenders := []contender{{"mft", agents.copy}, {"rsync -e ssh", ssh.rsync}}
	took, err := alternate(ctx, o.rounds, contenders, source, filepath.Join(agents.beta.In(), "arrived"))
	if err != nil {
		return err
	}
	report(out, o.size, contenders, took)
	return nil
}

// fill makes a file that no compression shortens.
func fill(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(f, rand.Reader, size); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Sync(), f.Close())
}

// alternate lets the contenders take turns, the first one changing from round
// to round. One round before the first is not counted.
func alternate(ctx context.Context, rounds int, cs []contender, source, dest string) ([][]time.Duration, error) {
	took := make([][]time.Duration, len(cs))
	for r := range rounds + 1 {
		for k := range cs {
			i := (k + r) % len(cs)
			syscall.Sync() // nobody pays for what was written before
			start := time.Now()
			if err := cs[i].move(ctx, source, dest); err != nil {
				return nil, fmt.Errorf("%s: %w", cs[i].name, err)
			}
			if r > 0 {
				took[i] = append(took[i], time.Since(start))
			}
			if err := sameSize(source, dest); err != nil {
				return nil, fmt.Errorf("%s: %w", cs[i].name, err)
			}
			if err := os.Remove(dest); err != nil {
				return nil, err
			}
		}
	}
	return took, nil
}

func sameSize(a, b string) error {
	x, err := os.Stat(a)
	if err != nil {
		return err
	}
	y, err := os.Stat(b)
	if err != nil {
		return err
	}
	if x.Size() != y.Size() {
		return fmt.Errorf("%d bytes arrived, want %d", y.Size(), x.Size())
	}
	return nil
}

func report(out io.Writer, size int64, cs []contender, took [][]time.Duration) {
	fmt.Fprintf(out, "one file of %.0f MiB between two processes of this machine\n", float64(size)/(1<<20))
	for i, c := range cs {
		var all []string
		for _, d := range took[i] {
			all = append(all, fmt.Sprintf("%.2f", d.Seconds()))
		}
		m := median(took[i])
		fmt.Fprintf(out, "%-14s %6.2f s  %7.0f MiB/s   (%s)\n", c.name, m.Seconds(), float64(size)/(1<<20)/m.Seconds(), strings.Join(all, " "))
	}
	fmt.Fprintf(out, "%s takes %.2f times as long as %s\n", cs[0].name, median(took[0]).Seconds()/median(took[1]).Seconds(), cs[1].name)
	fmt.Fprintln(out, "mft flushes to stable storage before it says that a file is there; rsync does not.")
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	if len(d)%2 == 1 {
		return d[len(d)/2]
	}
	return (d[len(d)/2-1] + d[len(d)/2]) / 2
}
