package depot

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/dir"
)

// A folder is a shared folder as package dir lays it out.
type folder struct {
	path     string
	agent    mft.AgentName
	exchange exchange.Exchange
}

const remedyMount = "mount the folder on this host, and let the user of the agent go into it"

func (f folder) setup(ctx context.Context) ([]Step, error) {
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
	return []Step{{"directory " + own, done}, {"guard", guard}}, nil
}

// there returns CodeNotFound when the folder is there and the directory of this
// agent is not.
func (f folder) there() error {
	if _, err := os.Lstat(f.path); err != nil {
		return nil // package dir says what that means
	}
	own := filepath.Join(f.path, string(f.agent))
	if _, err := os.Lstat(own); errors.Is(err, fs.ErrNotExist) {
		return mft.Fail(mft.CodeNotFound, "find", own, bare(err))
	}
	return nil
}

// check tries what this agent must be able to do. It touches no letter: an agent
// may be running.
func (f folder) check(ctx context.Context, peer mft.AgentName) []Finding {
	c := &trial{f: f}
	_, err := os.Stat(f.path)
	if !c.must("find the folder", remedyMount, bare(err)) {
		return c.found
	}
	const setUp = "run `mft exchange setup` on this host, as the user of the agent"
	_, err = os.Lstat(filepath.Join(f.path, string(f.agent)))
	if !c.must("find the directory of this agent", setUp, bare(err)) {
		return c.found
	}
	const mine = "the directory of this agent has to belong to the user that runs it"
	c.must("look into the own queue", mine, listed(c.place(f.agent, "queue")))
	for _, name := range []string{"queue", "keys"} {
		c.must("write and remove in the own "+name, mine, tried(c.place(f.agent, name)))
	}
	c.parcel(ctx, mine)
	_, err = f.exchange.Keys.Statements(ctx, f.agent)
	c.must("read the statements of the own keys", mine, err)
	if peer != "" && peer != f.agent {
		c.with(ctx, peer)
	}
	return c.found
}

// A trial collects findings.
type trial struct {
	f     folder
	found []Finding
}

func (c *trial) place(agent mft.AgentName, name string) string {
	return filepath.Join(c.f.path, string(agent), name)
}

func (c *trial) note(ok bool, what, says, remedy string) {
	if ok {
		remedy = ""
	}
	c.found = append(c.found, Finding{OK: ok, What: what, Says: says, Remedy: remedy})
}

// must notes that something has to succeed, and reports whether it did.
func (c *trial) must(what, remedy string, err error) bool {
	if err == nil {
		c.note(true, what, "allowed", "")
		return true
	}
	c.note(false, what, err.Error(), remedy)
	return false
}

// with tries what this agent does with what is the peer's.
func (c *trial) with(ctx context.Context, peer mft.AgentName) {
	_, err := os.Lstat(filepath.Join(c.f.path, string(peer)))
	if !c.must("find the directory of "+string(peer), "run `mft exchange setup` on the host of "+string(peer), bare(err)) {
		return
	}
	const shut = "let others write into the queue directory of the peer (mode 1733)"
	c.must("put a letter into the queue of "+string(peer), shut, tried(c.place(peer, "queue")))
	statements, err := c.f.exchange.Keys.Statements(ctx, peer)
	if c.must("read the statements of "+string(peer), "let others read the directory keys of the peer (mode 755)", err) {
		c.note(len(statements) > 0, string(peer)+" has published its key", fmt.Sprintf("%d found", len(statements)),
			"start the agent of the peer: it publishes its key then")
	}
	what := "look into the queue of " + string(peer)
	if err := listed(c.place(peer, "queue")); errors.Is(err, fs.ErrPermission) {
		c.note(true, what, "refused, as it should be", "")
	} else {
		// It takes no transfer's safety: what lies there is sealed and signed.
		c.note(true, what, "it is allowed: both agents run as one user, or the mount knows no modes", "")
	}
}

// parcel keeps, publishes, grants, reads and removes a small object.
func (c *trial) parcel(ctx context.Context, remedy string) {
	box, body := c.f.exchange.Container, []byte("mft check")
	name := "mft-check-" + token()
	err := box.Stage(ctx, name, 0, body)
	if err == nil {
		err = box.Publish(ctx, name, 1)
	}
	if c.must("publish an object", remedy, err) {
		grant, err := box.Grant(ctx, name, time.Minute)
		if err == nil {
			got := make([]byte, len(body))
			if err = c.f.exchange.Reader.Read(ctx, grant.Ref, 0, got); err == nil && !bytes.Equal(got, body) {
				err = mft.Fail(mft.CodeCorrupt, "read granted object", name, nil)
			}
		}
		c.must("grant it, and read it by the grant", remedy, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
	defer cancel()
	c.must("remove it", remedy, box.Remove(ctx, name))
}

// tried makes a file in a directory and removes it. Its name is that of
// something unfinished, which nobody reads.
func tried(dir string) error {
	path := filepath.Join(dir, "t-mft-check-"+token())
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return bare(err)
	}
	return errors.Join(f.Close(), bare(os.Remove(path)))
}

func listed(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return bare(err)
	}
	defer f.Close()
	if _, err = f.Readdirnames(1); errors.Is(err, io.EOF) {
		return nil
	}
	return bare(err)
}

// bare takes operation and path off an error: the finding names them.
func bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// token returns a name that nothing else has.
func token() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x", b)
}
