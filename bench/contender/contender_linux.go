package contender

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"mft.dev/mft/bench/contender/meter"
)

// A Trip is what has to be brought where.
type Trip struct {
	// Source is the file or directory.
	Source string
	// Into is the directory at the destination that shall have it; it is there
	// and lies below the contender's Root.
	Into string
	// Tree says that Source is a directory.
	Tree bool
	// Mirror says that what Source no longer has must go.
	Mirror bool
}

// A Contender brings things from one end to the other.
type Contender struct {
	Name string
	// Limit says that it is a bound of this machine: it does less than is asked.
	Limit bool
	// Stays says that nothing arrives at the destination.
	Stays bool
	// Timeless says that times of modification are not kept.
	Timeless bool
	// Root is the directory that the destinations have to lie below.
	Root string
	// Missing says why the contender cannot take part, "" if it can.
	Missing string
	// Forget has it lose what it remembers of files that it moved; nil if it
	// remembers nothing.
	Forget func() error

	daemons []meter.Daemon
	// before is done before each run, outside of it; nil is nothing.
	before func(Trip) error
	run    func(ctx context.Context, lap *meter.Lap, t Trip) error
}

// Move brings the trip's source to its destination, which it does not look at
// afterwards, and returns what it cost. With look it looks at the memory of
// all processes, and the times are not to be used.
func (c *Contender) Move(ctx context.Context, t Trip, wire meter.Wire, look bool) (meter.Reading, error) {
	if err := Flush(t.Into); err != nil { // nobody pays for what was written before
		return meter.Reading{}, err
	}
	if c.before != nil {
		if err := c.before(t); err != nil {
			return meter.Reading{}, err
		}
	}
	lap, err := meter.Begin(c.daemons, wire, look)
	if err != nil {
		return meter.Reading{}, err
	}
	err = c.run(ctx, lap, t)
	reading, errEnd := lap.End(ctx)
	if err != nil {
		return reading, err // what cannot be read then is no news
	}
	return reading, errEnd
}

// Flush writes what a file system still has to write to its disk.
func Flush(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}

// A Place is where one end of a transfer is.
type Place struct {
	// Address is the IP address of the place.
	Address string
	// Enter is put before a command line to run it there; nil is here.
	Enter []string
}

// Options tell how to open a field.
type Options struct {
	// Dir is an existing, empty directory for everything, the destinations
	// included.
	Dir string
	// Mft and Self are the programs mft and bench. Bench has to know the
	// commands limit-send, limit-receive and limit-digest, bare-upload and
	// bare-download.
	Mft, Self string
	// Sender and Receiver are the places of the ends. The zero value is here.
	Sender, Receiver Place
	// Stored says that the ends reach nothing but a storage account.
	Stored bool
}

// A Field is everybody who could take part. Open starts what must run before;
// Close ends it.
type Field struct {
	Options
	agents     []*agents
	sshd       *sshd
	rsyncd     *rsyncd
	emulator   *emulator
	contenders []*Contender
}

// Open starts agents and daemons, and returns when they answer. Only those of
// the takers that are installed are started; mft has to be there.
func Open(ctx context.Context, o Options, takers []string) (f *Field, err error) {
	f = &Field{Options: o}
	for _, p := range []*Place{&f.Sender, &f.Receiver} {
		if p.Address == "" {
			p.Address = "127.0.0.1"
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	arrived := filepath.Join(f.Dir, "arrived")
	if err := os.Mkdir(arrived, 0o755); err != nil {
		return f, err
	}
	if o.Stored {
		return f, f.openStored(ctx, arrived, takers)
	}
	for _, name := range []string{mft, mftWithUsers} {
		users := name == mftWithUsers
		if !slices.Contains(takers, name) {
			continue
		}
		if users && os.Geteuid() != 0 {
			f.contenders = append(f.contenders, &Contender{Name: name, Missing: "needs root"})
			continue
		}
		a, err := startAgents(ctx, filepath.Join(o.Dir, name), o.Mft, f.Sender, f.Receiver, users)
		if err != nil {
			return f, fmt.Errorf("starting the agents of %s: %w", name, err)
		}
		f.agents = append(f.agents, a)
		f.contenders = append(f.contenders, a.contender())
	}
	if slices.ContainsFunc(takers, func(name string) bool { return strings.HasSuffix(name, "+ssh") || overSSH(name) }) {
		if err := f.openSSH(ctx, arrived); err != nil {
			return f, fmt.Errorf("starting sshd: %w", err)
		}
	}
	if slices.Contains(takers, "rsyncd") || slices.Contains(takers, "rsyncd-z") {
		if err := f.openRsyncd(ctx, arrived); err != nil {
			return f, fmt.Errorf("starting the rsync daemon: %w", err)
		}
	}
	f.contenders = append(f.contenders, limits(o.Self, arrived)...)
	f.keep(takers)
	return f, nil
}

// keep leaves those who were asked for.
func (f *Field) keep(takers []string) {
	f.contenders = slices.DeleteFunc(f.contenders, func(c *Contender) bool { return !slices.Contains(takers, c.Name) })
}

func overSSH(name string) bool { return slices.Contains([]string{"scp", "sftp", "rclone"}, name) }

// Contenders returns those who take part, in a fixed order, mft first. Those
// with a Missing cannot run.
func (f *Field) Contenders() []*Contender { return f.contenders }

// Close ends everything that Open started.
func (f *Field) Close() error {
	var errs []error
	for _, a := range f.agents {
		errs = append(errs, a.stop())
	}
	if f.sshd != nil {
		errs = append(errs, f.sshd.stop())
	}
	if f.rsyncd != nil {
		errs = append(errs, f.rsyncd.stop())
	}
	if f.emulator != nil {
		errs = append(errs, f.emulator.stop())
	}
	return errors.Join(errs...)
}
