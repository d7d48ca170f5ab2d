package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/seat"
	"mft.dev/mft/agent/worker"
	"mft.dev/mft/internal/plain"
	"mft.dev/mft/internal/post"
)

// A process is a worker that was started.
type process struct {
	conn  *post.Conn
	cmd   *exec.Cmd
	begun time.Time
	// patience is how long it has to take a message.
	patience time.Duration

	ended chan struct{} // closed when it has
	died  time.Time     // only then, as how
	how   error
}

// A pause is how long no worker is started for a place, because those before did not live.
type pause struct {
	until time.Time
	next  time.Duration
	why   error
}

const (
	// firstPause and lastPause are the shortest and the longest pause: each is twice the one
	// before.
	firstPause = 100 * time.Millisecond
	lastPause  = 30 * time.Second
	// livesFor is how long a worker has to live for the next one to be started at once: one
	// that left because it had nothing to do has lived.
	livesFor = worker.IdleAfter
)

// mayStart says why no worker is started for a place now.
func (d *desk) mayStart(n int) error {
	if p := d.pauses[n]; p != nil && d.c.Now().Before(p.until) {
		return fmt.Errorf("the last one did not live (%w; see the log of the agent); the next is started after %s", p.why, p.until.Format(time.TimeOnly))
	}
	return nil
}

// lived notes how long a worker has lived, and how it ended: while that is too short, the next
// has to wait. It is found at the next request, which may be long after.
func (d *desk) lived(n int, begun, died time.Time, how error) {
	if died.Sub(begun) >= livesFor {
		delete(d.pauses, n)
		return
	}
	p := d.pauses[n]
	if p == nil {
		d.pauses[n] = &pause{next: firstPause} // one may have been ended by somebody
		return
	}
	p.until, p.why = died.Add(p.next), how
	if how == nil {
		p.why = errors.New("it ended without a word")
	}
	p.next = min(2*p.next, lastPause)
}

// worker returns a connection to the worker of a place, which is started when there
// is none.
func (d *desk) worker(r seat.Request) (*os.File, error) {
	place, n, err := d.table.Find(r)
	if err != nil {
		return nil, mft.Fail(mft.CodeConfig, "start a worker", "", err)
	}
	here, there, err := post.Files()
	if err != nil {
		return nil, mft.Fail(mft.CodeInternal, "start a worker", place.Name, err)
	}
	defer there.Close()
	p := d.workers[n]
	if p == nil || p.tell(post.Message{Kind: worker.KindErrand, File: there}) != nil {
		// The one that was there had nothing to do, or has failed.
		if p != nil {
			begun := p.begun
			if !p.end(d.patience) {
				begun = p.died // it held up all others
			}
			d.lived(n, begun, p.died, p.how)
		}
		delete(d.workers, n)
		if p, err = d.start(n, place); err == nil {
			d.workers[n] = p
			err = p.tell(post.Message{Kind: worker.KindErrand, File: there})
		}
	}
	if err != nil {
		here.Close()
		code := mft.CodeWorker
		if missing := (*missingError)(nil); errors.As(err, &missing) {
			code = mft.CodeNotFound
		}
		return nil, mft.Fail(code, "start a worker for", place.Name, err)
	}
	return here, nil
}

// A missingError says that a directory is not there which a worker would be confined to: it
// could not raise its walls.
type missingError struct{ dir string }

func (e *missingError) Error() string { return fmt.Sprintf("there is no directory %q", e.dir) }

// present says which directory of a place is missing, as far as the supervisor may look.
func present(p *seat.Place) error {
	for _, dir := range slices.Concat(p.Read, p.Write) {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return &missingError{dir}
		}
	}
	return nil
}

// start starts the worker of a place, of which this is the number, if it may be started now.
func (d *desk) start(n int, place *seat.Place) (p *process, err error) {
	if err := present(place); err != nil {
		return nil, err
	}
	if err := d.mayStart(n); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			now := d.c.Now()
			d.lived(n, now, now, err)
		}
	}()
	as, err := seat.UserOf(place.RunAs)
	if err != nil {
		return nil, err
	}
	s := worker.Seat{Name: place.Name, Read: place.Read, Write: place.Write, UID: as.UID, GID: as.GID, Groups: as.Groups}
	if p, err = d.begin(d.c.Worker.command(s.Policy())); err != nil {
		return nil, err
	}
	if err := p.tell(post.Message{Kind: worker.KindSeat, Payload: plain.Append(nil, s)}); err != nil {
		p.end(d.patience)
		return nil, err
	}
	d.c.Log.Info("a worker was started", "for", place.Name, "pid", p.cmd.Process.Pid, "uid", as.UID, "gid", as.GID)
	return p, nil
}

// begin starts a process that hears this one over descriptor 3.
func (d *desk) begin(cmd *exec.Cmd) (*process, error) {
	conn, there, err := post.Pair()
	if err != nil {
		return nil, err
	}
	cmd.ExtraFiles = []*os.File{there}
	err = cmd.Start()
	there.Close()
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	p := &process{conn: conn, cmd: cmd, ended: make(chan struct{}), begun: d.c.Now(), patience: d.patience}
	go func() {
		defer close(p.ended)
		p.how = cmd.Wait()
		p.died = d.c.Now()
	}()
	return p, nil
}

const (
	// leaveWithin is how long a worker has to end when the supervisor does.
	leaveWithin = 10 * time.Second
	// patience is how long the supervisor waits for a worker to take what it is sent, and how
	// long one has to end that hears no more: nobody else is served meanwhile.
	patience = 2 * time.Second
)

// tell sends a worker a message. One that does not take what it is sent has failed.
func (p *process) tell(m post.Message) error {
	if err := p.conn.Socket().SetWriteDeadline(time.Now().Add(p.patience)); err != nil {
		return err
	}
	return p.conn.Send(m)
}

// end ends a worker, and returns when it has: whether it did so by itself in that time.
func (p *process) end(within time.Duration) bool {
	if p.conn != nil {
		p.conn.Close()
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.ended:
		return true
	case <-timer.C:
		_ = p.cmd.Process.Kill() // it may have ended now
		<-p.ended
		return false
	}
}

// end ends all workers, and the processes of commands, which end when the agent has gone.
func (d *desk) end() {
	if d.network != nil {
		d.network.end(leaveWithin) // the agent has gone, and so has what it hears
	}
	for _, p := range d.workers {
		p.conn.Close() // they end together
	}
	for n, p := range d.workers {
		p.end(leaveWithin)
		delete(d.workers, n)
	}
	until := time.Now().Add(d.patience)
	for _, p := range d.launched {
		p.end(time.Until(until))
	}
}
