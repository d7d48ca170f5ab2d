package supervisor

import (
	"fmt"
	"os"
	"os/exec"
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
	ended chan error // room for one
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
	if p == nil || p.conn.Send(post.Message{Kind: worker.KindErrand, File: there}) != nil {
		// The one that was there had nothing to do, or has failed.
		if p != nil {
			p.end()
		}
		delete(d.workers, n)
		if p, err = d.start(place); err == nil {
			d.workers[n] = p
			err = p.conn.Send(post.Message{Kind: worker.KindErrand, File: there})
		}
	}
	if err != nil {
		here.Close()
		return nil, mft.Fail(mft.CodeWorker, "start a worker for", place.Name, err)
	}
	return here, nil
}

// start starts the worker of a place.
func (d *desk) start(place *seat.Place) (*process, error) {
	as, err := seat.UserOf(place.RunAs)
	if err != nil {
		return nil, err
	}
	s := worker.Seat{Name: place.Name, Read: place.Read, Write: place.Write, UID: as.UID, GID: as.GID, Groups: as.Groups}
	conn, there, err := post.Pair()
	if err != nil {
		return nil, err
	}
	cmd := d.c.Worker.command(s.Policy())
	cmd.ExtraFiles = []*os.File{there}
	err = cmd.Start()
	there.Close()
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	p := &process{conn: conn, cmd: cmd, ended: make(chan error, 1)}
	go func() { p.ended <- cmd.Wait() }()
	if err := conn.Send(post.Message{Kind: worker.KindSeat, Payload: plain.Append(nil, s)}); err != nil {
		p.end()
		return nil, err
	}
	d.c.Log.Info("a worker was started", "for", place.Name, "pid", cmd.Process.Pid, "uid", as.UID, "gid", as.GID)
	return p, nil
}

// leaveWithin is how long a worker has to end when its connection is closed.
const leaveWithin = 10 * time.Second

// end ends a worker, and returns when it has.
func (p *process) end() {
	p.conn.Close()
	timer := time.NewTimer(leaveWithin)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		_ = p.cmd.Process.Kill() // it may have ended now
		<-p.ended
	}
}

// end ends all workers.
func (d *desk) end() {
	for n, p := range d.workers {
		p.end()
		delete(d.workers, n)
	}
}
