package daemon

import (
	"os"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	exit "mft.dev/mft/agent/exits/process"
	"mft.dev/mft/agent/foreman/supervised"
	"mft.dev/mft/identity"
	keys "mft.dev/mft/identity/holder/process"
	"mft.dev/mft/identity/statefile"
	"mft.dev/mft/internal/restrict"
)

// processes are those of an agent, besides this one.
type processes struct {
	o    Options
	cfg  *config.Config
	keys *keys.Process // nil until it was started, and where there can be none
	self restrict.Report
}

// confine raises the walls around this process, where a supervisor has made it another user:
// elsewhere it has what its user has.
func (p *processes) confine() (err error) {
	p.self = restrict.Report{Role: restrict.RoleAgent, PID: os.Getpid(), UID: os.Geteuid()}
	if _, is := p.o.Workers.(*supervised.Workers); is && p.o.Walls {
		p.self, err = restrict.Apply(restrict.Agent())
	}
	return err
}

// open makes the keys of the agent if there are none, and has a process of their
// own use them where there can be one.
func (p *processes) open(dir string, name mft.AgentName, now time.Time) (*identity.Keys, error) {
	if !p.o.Walls || !keys.Possible() {
		return identity.LoadOrCreate(dir, name, now)
	}
	err := statefile.MakePrivateDir(dir)
	if err != nil {
		return nil, err
	}
	if p.keys, err = keys.Start(keys.Config{Dir: dir, File: identity.KeysFile(dir), Name: name, Log: p.o.Log}); err != nil {
		return nil, err
	}
	if r, ok := p.keys.Walls(); ok {
		for _, f := range r.Missing() {
			p.o.Log.Warn("a wall around the key process is missing", "wall", f.Wall, "why", f.Why)
		}
	}
	return identity.Held(name, p.keys, p.keys.Public())
}

func (p *processes) close() error {
	if p.keys == nil {
		return nil
	}
	return p.keys.Close()
}

// walls are those around each process. Of workers and commands it is what they would have.
func (p *processes) walls() []restrict.Report {
	var list []restrict.Report
	if s, is := p.o.Workers.(*supervised.Workers); is {
		if r, ok := s.Walls(); ok {
			list = append(list, r)
		}
	}
	list = append(list, p.self)
	if p.o.Network != nil {
		r, ok := p.o.Network.Walls()
		if !ok {
			r = restrict.Report{Role: restrict.RoleNetwork}
		}
		list = append(list, r)
	}
	if p.keys != nil {
		r, ok := p.keys.Walls()
		if !ok {
			r = restrict.Report{Role: restrict.RoleKeys}
		}
		list = append(list, r)
	}
	if p.o.Workers != nil {
		list = append(list, restrict.Foresee(restrict.Worker(nil, nil)))
	}
	if !p.o.Walls {
		return list
	}
	return append(list, exit.Foresee(exit.Walls{Hidden: []string{p.cfg.Agent.DataDir}}))
}
