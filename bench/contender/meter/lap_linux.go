package meter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A Side is one end of a transfer.
type Side int

// The ends of a transfer.
const (
	Sender Side = iota
	Receiver
)

// A Daemon is a process that was there before a lap and works for it.
type Daemon struct {
	Side Side
	PID  int
	// Forks says that children do the work, and that it waits for them.
	Forks bool
	// Tree says that it does the work together with processes below it, which stay.
	Tree bool
}

// all returns the daemon, and what works beside it.
func (d Daemon) all() []int {
	if d.Tree {
		return append(descendants(d.PID), d.PID)
	}
	return []int{d.PID}
}

// cpu is what the daemon has used, with all that works beside it.
func (d Daemon) cpu() (time.Duration, error) {
	var sum time.Duration
	for _, pid := range d.all() {
		n, err := ProcessorTime(pid)
		if errors.Is(err, fs.ErrNotExist) && pid != d.PID {
			continue // who waited for it has its time
		}
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// A Load is what a lap cost at one end.
type Load struct {
	// CPU is the time of all processes of that end, in all states.
	CPU time.Duration
	// Peak is the most resident memory of any one process of that end, in
	// bytes; 0 where this lap did not look.
	Peak int64
	// Private is the most memory that is of no file, and so not its program, of
	// any one process of that end; it too is sampled, also that of daemons, and 0
	// where this lap did not look.
	Private int64
}

// A Reading is what a lap cost.
type Reading struct {
	Wall  time.Duration
	Loads [2]Load // by Side
	// Wire is the number of bytes on the network, -1 where nobody counted.
	Wire int64
}

// A Wire tells how many bytes have crossed a network until now. Nil is a
// network whose bytes nobody can tell apart from others.
type Wire func() (int64, error)

// A Lap is one run that is being weighed. Run and Start may be called from
// several goroutines.
type Lap struct {
	daemons []Daemon
	wire    Wire
	look    bool // at the memory of all processes, again and again

	begun  time.Time
	cpu    []time.Duration // of the daemons, before
	passed int64           // over the wire, before

	stop    chan struct{} // ends looking
	looking sync.WaitGroup

	mu      sync.Mutex
	loads   [2]Load
	clients map[int]Side
}

// Begin starts the clock. With look the memory of children and clients, and the
// private memory of all, is sampled meanwhile, which costs time: such a lap is
// not for timing.
func Begin(daemons []Daemon, wire Wire, look bool) (*Lap, error) {
	l := &Lap{daemons: daemons, wire: wire, look: look, stop: make(chan struct{}), clients: map[int]Side{}}
	for _, d := range daemons {
		if !d.Forks {
			for _, pid := range d.all() {
				if err := resetPeak(pid); err != nil && (pid == d.PID || !errors.Is(err, fs.ErrNotExist)) {
					return nil, fmt.Errorf("resetting the peak memory of a process: %w", err)
				}
			}
		}
		cpu, err := d.cpu()
		if err != nil {
			return nil, err
		}
		l.cpu = append(l.cpu, cpu)
	}
	if wire != nil {
		var err error
		if l.passed, err = wire(); err != nil {
			return nil, err
		}
	}
	if look {
		l.looking.Go(l.lookOn)
	}
	l.begun = time.Now()
	return l, nil
}

// Run runs a client at the sending end. The error has what it said.
func (l *Lap) Run(ctx context.Context, cmd *exec.Cmd) error {
	return l.Start(Sender, cmd)(ctx)
}

// Start starts a client at one end and returns how to wait for it.
func (l *Lap) Start(side Side, cmd *exec.Cmd) func(context.Context) error {
	var said bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &said
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &said
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	// In a group of its own, so that all of it can be ended.
	cmd.SysProcAttr.Setpgid = true
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return func(context.Context) error { return err }
	}
	pid := cmd.Process.Pid
	l.mu.Lock()
	l.clients[pid] = side
	l.mu.Unlock()
	return func(ctx context.Context) error {
		err := cmd.Wait()
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.clients, pid)
		l.loads[side].CPU += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("%w: %s", err, bytes.TrimSpace(said.Bytes()))
		}
		return nil
	}
}

// End stops the clock, waits until the daemons have done what the run left for
// them to do, and returns what all of it cost. A lap must be ended, also one
// that failed.
func (l *Lap) End(ctx context.Context) (Reading, error) {
	r := Reading{Wall: time.Since(l.begun), Wire: -1}
	close(l.stop)
	l.looking.Wait()
	var errs []error
	for i, d := range l.daemons {
		errs = append(errs, settle(ctx, d))
		cpu, err := d.cpu()
		errs = append(errs, err)
		load := &l.loads[d.Side]
		load.CPU += cpu - l.cpu[i]
		if d.Forks {
			continue
		}
		for _, pid := range d.all() {
			peak, err := Peak(pid)
			if err != nil && pid != d.PID {
				continue // it has just ended
			}
			errs = append(errs, err)
			load.Peak = max(load.Peak, peak)
		}
	}
	if l.wire != nil {
		passed, err := l.wire()
		errs = append(errs, err)
		r.Wire = passed - l.passed
	}
	r.Loads = l.loads
	return r, errors.Join(errs...)
}

// settle returns when a daemon has gone back to rest: its children are gone,
// or it uses no more CPU time; or after a while, if it never does.
func settle(ctx context.Context, d Daemon) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	every := 50 * time.Millisecond
	if d.Forks {
		every = 5 * time.Millisecond
	}
	again := time.NewTicker(every)
	defer again.Stop()
	for before := time.Duration(-1); ; {
		cpu, err := d.cpu()
		if err != nil {
			return err
		}
		if d.Forks && len(descendants(d.PID)) == 0 || !d.Forks && cpu == before {
			return nil
		}
		before = cpu
		select {
		case <-ctx.Done():
			return nil // what it does now is its own business
		case <-again.C:
		}
	}
}

// lookOn samples the memory of all processes.
func (l *Lap) lookOn() {
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for { // at least once, however short the lap is
		l.mu.Lock()
		clients := maps.Clone(l.clients)
		l.mu.Unlock()
		for _, d := range l.daemons {
			if d.Forks {
				l.see(d.Side, descendants(d.PID))
			} else {
				l.see(d.Side, d.all())
			}
		}
		for _, pid := range slices.Collect(maps.Keys(clients)) {
			l.see(clients[pid], append(descendants(pid), pid))
		}
		select {
		case <-l.stop:
			return
		case <-again.C:
		}
	}
}

// see notes the peaks of processes, as far as they still live.
func (l *Lap) see(side Side, pids []int) {
	for _, pid := range pids {
		peak, err := Peak(pid)
		if err != nil {
			continue
		}
		private, err := Private(pid)
		if err != nil {
			continue
		}
		l.mu.Lock()
		l.loads[side].Peak = max(l.loads[side].Peak, peak)
		l.loads[side].Private = max(l.loads[side].Private, private)
		l.mu.Unlock()
	}
}
