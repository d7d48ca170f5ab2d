package supervisor

import (
	"os"

	"mft.dev/mft"
	"mft.dev/mft/internal/post"
	"mft.dev/mft/link/network"
)

// networkPlace is the number of the network process among the pauses: no place has it.
const networkPlace = -1

// startNetwork starts the network process, in place of one that is there, and returns a
// connection to it.
func (d *desk) startNetwork() (*os.File, error) {
	if p := d.network; p != nil {
		d.network = nil
		_ = p.cmd.Process.Kill() // the agent has none any more: it may have ended
		<-p.ended
		d.lived(networkPlace, p.begun, p.died, p.how)
	}
	if err := d.mayStart(networkPlace); err != nil {
		return nil, mft.Fail(mft.CodeWorker, "start the network process", "", err)
	}
	here, there, err := post.Files()
	if err != nil {
		return nil, mft.Fail(mft.CodeInternal, "start the network process", "", err)
	}
	defer there.Close()
	policy := network.Policy()
	policy.User = userOf(d.exposed)
	cmd := d.c.Network.command(policy)
	cmd.ExtraFiles = []*os.File{there}
	if d.listener != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, d.listener)
	}
	if err := cmd.Start(); err != nil {
		here.Close()
		now := d.c.Now()
		d.lived(networkPlace, now, now, err)
		return nil, mft.Fail(mft.CodeWorker, "start the network process", cmd.Path, err)
	}
	p := &process{cmd: cmd, ended: make(chan struct{}), begun: d.c.Now()}
	go func() {
		defer close(p.ended)
		p.how = cmd.Wait()
		p.died = d.c.Now()
	}()
	d.network = p
	d.c.Log.Info("the network process was started", "pid", cmd.Process.Pid, "uid", d.exposed.UID, "gid", d.exposed.GID)
	return here, nil
}
