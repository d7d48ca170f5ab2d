// Package dir is an exchange in a shared folder: a local directory, or an NFS
// or SMB mount that all agents have.
//
//	guarded, err := dir.Setup("/mnt/exchange", "alpha") // once, by whoever runs alpha
//	x, err := dir.New(dir.Config{Path: "/mnt/exchange", Agent: "alpha"})
//
// Each agent owns one directory of the folder, and in it
//
//	queue/      1733  letters: others add, and neither list, take nor remove
//	objects/    0711  o-NAME/ with blocks and grants, which nobody finds without a ref
//	keys/       0755  statements
//	temporary/  0700  what is not finished
//
// A letter says in its name when it was put, how often it was taken, until
// when it is leased and by which claim: to take, renew or give back is one
// rename, which only one process can win, and a taker that crashes leaves nothing
// behind. A block is a file that never changes; an object is published by one rename,
// which only one process can win, of what says of which blocks it is made. Every
// call opens the folder anew, so that one that was mounted again is found, and
// nothing but [Setup] makes the directory of an agent: where it is missing the
// folder is not mounted.
//
// Times are those of the storage, measured by a file that was just made, since
// the clocks of hosts differ. They decide when a lease and a grant end and what is
// left over, never what is delivered.
//
// # What a shared folder cannot protect
//
// Modes are all there is. Where agents run as one user, or a mount knows no modes
// (Setup says so), any of them can read, change and remove everything; the
// administrator of the storage always can. Contents are sealed and signed
// before they come here, so this can cost delivery, but not secrecy or truth.
//
// A grant is a file with a name that cannot be guessed, in a directory that
// others cannot list; without it nobody finds the object, and when its owner
// removes it or it ends it leads nowhere. But readers look at its end themselves:
// one that kept the way from grant to object can read on until the object is
// removed.
//
// On Linux a directory can be gone through that may not be listed. On other systems
// it cannot: an agent there that runs as another user meets CodeNotAllowed until
// the operator lets its group list queue and objects of the others.
//
// A server of Windows does not move what is open: there, an object that is being
// read can only be removed afterwards.
//
// Calls obey their context between system calls. On a mount that waits for its
// server for ever (NFS "hard") a call may do so too.
package dir

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/dir/layout"
	"mft.dev/mft/internal/confine"
)

// Config says which folder it is, and who uses it.
type Config struct {
	// Path of the folder, absolute.
	Path string
	// Agent is whose queue and container are used.
	Agent mft.AgentName
	// Wait is how long Take waits when there is no letter, before it looks once
	// more: a second if it is 0, not at all if it is less.
	Wait time.Duration
}

// New returns the folder as the agent sees it. It asks nothing of the storage.
// CodeBadName and CodeConfig say what is wrong with c.
func New(c Config) (exchange.Exchange, error) {
	f, err := newFolder(c)
	if err != nil {
		return exchange.Exchange{}, err
	}
	return f.exchange(), nil
}

func newFolder(c Config) (*folder, error) {
	if _, err := mft.ParseAgentName(string(c.Agent)); err != nil {
		return nil, err
	}
	if !filepath.IsAbs(c.Path) {
		return nil, mft.Fail(mft.CodeConfig, "open exchange folder", c.Path, errors.New("the path is not absolute"))
	}
	if c.Wait == 0 {
		c.Wait = time.Second
	}
	f := &folder{path: c.Path, agent: c.Agent, wait: c.Wait, writer: layout.Token()}
	f.clock = &clock{local: time.Now, stamp: f.stamp}
	return f, nil
}

// A folder is a shared folder as one agent sees it.
type folder struct {
	path   string
	agent  mft.AgentName
	wait   time.Duration
	writer string // a token, for the layers of this process
	clock  *clock
}

func (f *folder) exchange() exchange.Exchange {
	return exchange.Exchange{
		Queue: queue{f}, Container: container{f}, Reader: reader{f}, Keys: keys{f},
		Sizes: exchange.Sizes{MinBlock: 1, MaxBlock: layout.MaxBlock, MaxBlocks: layout.MaxBlocks},
	}
}

// The directories of an agent.
const (
	queueDir     = "queue"
	objectsDir   = "objects"
	keysDir      = "keys"
	temporaryDir = "temporary"
)

// Setup makes the directories of an agent in the folder at path, which must be
// there: this user then owns them. What is there already is left as it is, so
// an operator may narrow modes to a group. Guarded says that the modes are such
// that users who are in no such group can only do what they may.
func Setup(ctx context.Context, path string, agent mft.AgentName) (guarded bool, err error) {
	f, err := newFolder(Config{Path: path, Agent: agent})
	if err != nil {
		return false, err
	}
	guarded = modesCount
	err = f.use(ctx, "set up exchange folder", func(c *call) error {
		for _, d := range []struct {
			rel  string
			mode uint32
			shut uint32 // what others may not do there
		}{
			{c.own(), 0o711, 0o002},
			{c.own(queueDir), 0o1733, 0o004},
			{c.own(objectsDir), 0o711, 0o006},
			{c.own(keysDir), 0o755, 0o002},
			{c.own(temporaryDir), 0o700, 0o007},
			{".", 0, 0},
		} {
			if d.mode != 0 {
				if _, err := c.make(d.rel, d.mode); err != nil {
					return err
				}
			}
			fi, err := c.root.Lstat(d.rel)
			if err != nil {
				return err
			}
			const sticky = 0o1000 // in it nobody moves away what belongs to another
			perm := confine.Stamp(fi).Perm()
			if perm&d.shut != 0 || perm&0o002 != 0 && perm&sticky == 0 {
				guarded = false
			}
		}
		return nil
	})
	return guarded && err == nil, err
}

// use calls do with the folder open, and gives what fails the codes that
// package exchange promises.
func (f *folder) use(ctx context.Context, op string, do func(c *call) error) error {
	if err := ctx.Err(); err != nil {
		return cancelled(ctx, op)
	}
	root, err := confine.Open(f.path)
	if err != nil {
		code := codeFor(err)
		if code == mft.CodeNotFound {
			code = mft.CodeUnreachable
		}
		return mft.Fail(code, op, f.path, err)
	}
	err = do(&call{f, root, op})
	if e := root.Close(); err == nil && e != nil {
		err = e
	}
	return f.explain(ctx, op, err)
}

// explain gives an error its code.
func (f *folder) explain(ctx context.Context, op string, err error) error {
	var known *mft.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return cancelled(ctx, op)
	case errors.As(err, &known) && known.Op == op:
		return err // says all
	}
	return mft.Fail(codeFor(err), op, f.path, err)
}

// codeFor returns the code of package exchange for what a file system says.
func codeFor(err error) mft.Code {
	switch code := confine.CodeFor(err); code {
	case mft.CodePermission:
		return mft.CodeNotAllowed
	case mft.CodeQuota:
		return mft.CodeNoSpace
	case mft.CodeIO: // network file systems say so when the server is gone
		return mft.CodeUnreachable
	default:
		return code
	}
}

func cancelled(ctx context.Context, op string) error {
	code := mft.CodeCancelled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		code = mft.CodeTimeout
	}
	return mft.Fail(code, op, "", fmt.Errorf("%w: %w", ctx.Err(), context.Cause(ctx)))
}

// missing reports whether what was asked for is not there.
func missing(err error) bool { return confine.CodeFor(err) == mft.CodeNotFound }
