package depot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/dir"
	"mft.dev/mft/exchange/probe"
	"mft.dev/mft/internal/confine/filesys"
)

// A folder is a shared folder as package dir lays it out.
type folder struct {
	path     string
	agent    mft.AgentName
	exchange exchange.Exchange
}

const remedyMount = "mount the folder on this host, and let the user of the agent go into it"

func (f folder) setup(ctx context.Context) ([]exchange.Step, error) {
	own := filepath.Join(f.path, string(f.agent))
	done := "made"
	if _, err := os.Lstat(own); err == nil {
		done = "nothing" // it was there; what is missing of it is made all the same
	}
	guarded, err := dir.Setup(ctx, f.path, f.agent)
	if err != nil {
		return nil, err
	}
	guard := "the modes keep other users out"
	if !guarded {
		guard = "the modes keep nobody out: who has the folder can hold up, reorder and remove what is there; contents stay sealed and signed"
	}
	return []exchange.Step{{What: "directory " + own, Done: done}, {What: "guard", Done: guard}}, nil
}

// there returns CodeNotFound when the folder is there and the directory of this
// agent is not.
func (f folder) there() error {
	if _, err := os.Lstat(f.path); err != nil {
		return nil // package dir says what that means
	}
	own := filepath.Join(f.path, string(f.agent))
	if _, err := os.Lstat(own); errors.Is(err, fs.ErrNotExist) {
		return mft.Fail(mft.CodeNotFound, "find", own, filesys.Cause(err))
	}
	return nil
}

// check tries what this agent must be able to do. It touches no letter: an agent
// may be running.
func (f folder) check(ctx context.Context, peer mft.AgentName) []probe.Finding {
	c := &trial{f: f}
	_, err := os.Stat(f.path)
	if !c.Must("find the folder", remedyMount, filesys.Cause(err)) {
		return c.Found
	}
	const setUp = "run `mft exchange setup` on this host, as the user of the agent"
	_, err = os.Lstat(filepath.Join(f.path, string(f.agent)))
	if !c.Must("find the directory of this agent", setUp, filesys.Cause(err)) {
		return c.Found
	}
	const mine = "the directory of this agent has to belong to the user that runs it"
	c.Must("look into the own queue", mine, listed(c.place(f.agent, "queue")))
	for _, name := range []string{"queue", "keys"} {
		c.Must("write and remove in the own "+name, mine, tried(c.place(f.agent, name)))
	}
	c.Container(ctx, f.exchange, mine, nil)
	_, err = f.exchange.Keys.Statements(ctx, f.agent)
	c.Must("read the statements of the own keys", mine, err)
	if peer != "" && peer != f.agent {
		c.with(ctx, peer)
	}
	return c.Found
}

// A trial collects findings.
type trial struct {
	probe.Log
	f folder
}

func (c *trial) place(agent mft.AgentName, name string) string {
	return filepath.Join(c.f.path, string(agent), name)
}

// with tries what this agent does with what is the peer's.
func (c *trial) with(ctx context.Context, peer mft.AgentName) {
	_, err := os.Lstat(filepath.Join(c.f.path, string(peer)))
	if !c.Must("find the directory of "+string(peer), "run `mft exchange setup` on the host of "+string(peer), filesys.Cause(err)) {
		return
	}
	const shut = "let others write into the queue directory of the peer (mode 1733)"
	c.Must("put a letter into the queue of "+string(peer), shut, tried(c.place(peer, "queue")))
	statements, err := c.f.exchange.Keys.Statements(ctx, peer)
	if c.Must("read the statements of "+string(peer), "let others read the directory keys of the peer (mode 755)", err) {
		c.Note(len(statements) > 0, string(peer)+" has published its key", fmt.Sprintf("%d found", len(statements)),
			"start the agent of the peer: it publishes its key then")
	}
	what := "look into the queue of " + string(peer)
	if err := listed(c.place(peer, "queue")); errors.Is(err, fs.ErrPermission) {
		c.Note(true, what, "refused, as it should be", "")
	} else {
		// It takes no transfer's safety: what lies there is sealed and signed.
		c.Note(true, what, "it is allowed: both agents run as one user, or the mount knows no modes", "")
	}
}

// tried makes a file in a directory and removes it. Its name is that of
// something unfinished, which nobody reads.
func tried(dir string) error {
	path := filepath.Join(dir, "t-"+probe.Name())
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return filesys.Cause(err)
	}
	return errors.Join(f.Close(), filesys.Cause(os.Remove(path)))
}

func listed(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return filesys.Cause(err)
	}
	defer f.Close()
	if _, err = f.Readdirnames(1); errors.Is(err, io.EOF) {
		return nil
	}
	return filesys.Cause(err)
}
