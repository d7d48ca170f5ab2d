package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange/dir/layout"
	"mft.dev/mft/internal/confine"
)

// A call is one call of an exchange, with the folder open.
type call struct {
	*folder
	root *confine.Root
	op   string
}

// own returns the path of what belongs to this agent.
func (c *call) own(elem ...string) string { return of(c.agent, elem...) }

// of returns the path of what belongs to an agent.
func of(agent mft.AgentName, elem ...string) string {
	return path.Join(append([]string{string(agent)}, elem...)...)
}

// fail makes an error of this call, which needs no more explaining.
func (c *call) fail(code mft.Code, subject, why string) error {
	return mft.Fail(code, c.op, subject, errors.New(why))
}

// open returns a directory of an agent, this one or another.
func (c *call) open(agent mft.AgentName, elem ...string) (*confine.Dir, error) {
	d, err := c.root.Dir(of(agent, elem...))
	if missing(err) {
		if _, e := c.root.Lstat(c.own()); missing(e) {
			return nil, mft.Fail(mft.CodeUnreachable, c.op, c.root.Path(),
				errors.New("the directory of this agent is not there: the folder is not mounted, or was never set up"))
		}
	}
	return d, err
}

// make returns the directory rel, with exactly this mode if it had to be made,
// and durable in the one above.
func (c *call) make(rel string, mode uint32) (*confine.Dir, error) {
	made, err := c.root.MkdirAll(rel, fs.FileMode(mode&0o777))
	if err != nil {
		return nil, err
	}
	d, err := c.root.Dir(rel)
	if err != nil {
		return nil, err
	}
	if len(made) > 0 {
		if err := setMode(d, mode); err != nil {
			return nil, err
		}
	}
	above, err := c.root.Dir(path.Dir(rel))
	if err != nil {
		return nil, err
	}
	return d, flush(above, nil)
}

// setMode sets the mode of a directory, where the file system has one.
func setMode(d *confine.Dir, mode uint32) error {
	fi, err := d.Stat()
	if err != nil {
		return err
	}
	if confine.Stamp(fi).Perm() == mode {
		return nil
	}
	err = d.SetAttributes(confine.Attributes{Mode: mode, MTime: fi.ModTime().UnixNano(), UID: -1, GID: -1})
	if code := confine.CodeFor(err); code == mft.CodePermission || errors.Is(err, errors.ErrUnsupported) {
		return nil // mounts of other systems know no modes; Setup tells
	}
	return err
}

// write puts content under name into a directory: nobody sees a part of it, and
// when it returns nil it is durable. The temporary file is made in temp, which is on
// the same file system.
func write(temp, to *confine.Dir, name string, content []byte, mode confine.RenameMode) error {
	part := partPrefix + layout.Token()
	f, err := temp.Create(part)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = readable(f)
	}
	if err == nil {
		err = confine.Flush(f)
	}
	if err == nil {
		err = temp.Rename(part, to, name, mode)
		if code := mft.CodeOf(err); (code == mft.CodeNotFound || code == mft.CodeExists) && isAt(f, to, name) {
			err = nil // a network file system did it, lost the answer and asked again
		}
	}
	if err != nil {
		return errors.Join(err, f.Close(), ignoreMissing(temp.Remove(part)))
	}
	// Closed last: it is flushed again where the directory cannot be.
	err = flush(to, func() error { return confine.Flush(f) })
	return errors.Join(err, f.Close())
}

// isAt reports whether name in d is the file f.
func isAt(f *os.File, d *confine.Dir, name string) bool {
	fi, err := f.Stat()
	if err != nil {
		return false
	}
	a := confine.Stamp(fi)
	b, err := d.Identity(name)
	return err == nil && a.Dev == b.Dev && a.Inode == b.Inode
}

// readable lets others read a file that they can find.
func readable(f interface{ Chmod(fs.FileMode) error }) error {
	err := f.Chmod(0o644)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		return nil // mounts of other systems know no modes
	}
	return err
}

// flush makes the names in a directory durable. One that may not be listed, the
// queue of somebody else, may refuse that: then otherwise is called, which flushes
// the file that has got a new name. Journaling file systems write that name
// with it, and servers of network file systems did so before they answered.
func flush(d *confine.Dir, otherwise func() error) error {
	err := d.Sync()
	if confine.CodeFor(err) == mft.CodePermission || errors.Is(err, errors.ErrUnsupported) {
		if otherwise == nil {
			return nil // not the directory of this agent, so nothing of ours
		}
		return otherwise()
	}
	return err
}

func ignoreMissing(err error) error {
	if missing(err) {
		return nil
	}
	return err
}

// readSmall returns a file of at most most bytes. CodeTooLarge when it has more,
// CodeNotRegular and CodeSymlink when it is something else.
func (c *call) readSmall(rel string, most int) ([]byte, error) {
	f, _, err := c.root.OpenFile(rel)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil && len(content) > most {
		return nil, mft.Fail(mft.CodeTooLarge, "read", rel, fmt.Errorf("it has more than %d bytes", most))
	}
	return content, err
}

const (
	// partPrefix begins the names of files that are not finished.
	partPrefix = "t-"
	// leftOver is the age at which one was left behind by a crash. Nothing in it
	// was ever promised; whoever is still at it meets an error.
	leftOver = time.Hour
	// sweepMost is how many are removed by one call.
	sweepMost = 64
)

// sweep removes what is left over in the directory of temporary files.
func (c *call) sweep(ctx context.Context) error {
	temp, err := c.open(c.agent, temporaryDir)
	if err != nil {
		return err
	}
	now, err := c.now()
	if err != nil {
		return err
	}
	var old []string
	err = temp.Names(func(name string) error {
		if id, err := temp.Identity(name); err == nil && now.Sub(time.Unix(0, id.MTime)) > leftOver {
			old = append(old, name)
		}
		if len(old) >= sweepMost {
			return errEnough
		}
		return ctx.Err()
	})
	if err != nil && err != errEnough {
		return err
	}
	for _, name := range old {
		if err := c.root.RemoveAll(c.own(temporaryDir, name)); err != nil {
			return err
		}
	}
	return nil
}

// errEnough ends a listing.
var errEnough = errors.New("enough")
