package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/internal/confine"
)

// A reference is what a ref says: AGENT/NAME/GRANT. The grant is a file in the
// directory of the object, which others cannot list, so its name is the secret;
// it holds the name of the directory with the blocks, which is another one.
type reference struct {
	agent mft.AgentName
	name  string
	grant grantName
}

func (r reference) String() string { return fmt.Sprintf("%s/%s/%v", r.agent, r.name, r.grant) }

// dir returns the path of the directory of the object.
func (r reference) dir() string { return of(r.agent, objectsDir, objectPrefix+r.name) }

// parseReference reads a ref, which is the word of a stranger.
func parseReference(ref string) (reference, error) {
	bad := mft.Fail(mft.CodeBadPath, "read object", "", errors.New("the reference leads to no object of this folder"))
	if len(ref) > exchange.MaxRef {
		return reference{}, bad
	}
	f := strings.Split(ref, "/")
	if len(f) != 3 {
		return reference{}, bad
	}
	agent, err := mft.ParseAgentName(f[0])
	grant, ok := parseGrantName(f[2])
	if err != nil || exchange.CheckName(f[1]) != nil || !ok {
		return reference{}, bad
	}
	return reference{agent, f[1], grant}, nil
}

func (x container) Grant(ctx context.Context, name string, life time.Duration) (out exchange.Grant, err error) {
	if err := exchange.CheckName(name); err != nil {
		return exchange.Grant{}, err
	}
	if life, err = exchange.CheckLife(life); err != nil {
		return exchange.Grant{}, err
	}
	err = x.f.use(ctx, "grant object", func(c *call) error {
		object, err := c.open(c.agent, objectsDir, objectPrefix+name)
		if err != nil && !missing(err) {
			return err
		}
		var n objectName
		published := false
		if err == nil {
			if n, published, err = find(object); err != nil {
				return err
			}
		}
		if !published {
			return c.fail(mft.CodeNotFound, name, "no such object is published")
		}
		temp, err := c.open(c.agent, temporaryDir)
		if err != nil {
			return err
		}
		now, err := c.now()
		if err != nil {
			return err
		}
		if err := withdraw(object, now); err != nil {
			return err
		}
		until := now.Add(life)
		r := reference{c.agent, name, grantName{millis(until), token()}}
		if err := write(temp, object, r.grant.String(), []byte(n.String())); err != nil {
			return err
		}
		out = exchange.Grant{Ref: r.String(), Until: until}
		return nil
	})
	return out, err
}

// withdraw removes the grants of an object that have ended.
func withdraw(object *confine.Dir, now time.Time) error {
	return object.Names(func(name string) error {
		if g, ok := parseGrantName(name); ok && g.until < millis(now) {
			return ignoreMissing(object.Remove(name))
		}
		return nil
	})
}

type reader struct{ f *folder }

func (r reader) Read(ctx context.Context, ref string, offset int64, p []byte) error {
	at, err := parseReference(ref)
	if err != nil {
		return err
	}
	if offset < 0 {
		return mft.Fail(mft.CodeUsage, "read object", at.name, errors.New("the offset is before the beginning"))
	}
	return r.f.use(ctx, "read object", func(c *call) error {
		return c.discreet(ctx, at, c.read(ctx, at, offset, p))
	})
}

func (c *call) read(ctx context.Context, at reference, offset int64, p []byte) error {
	n, err := c.follow(at)
	if err != nil {
		return err
	}
	if offset > n.total() || int64(len(p)) > n.total()-offset {
		return c.fail(mft.CodeNotFound, at.name, "the object is shorter")
	}
	err = c.fill(ctx, at.dir()+"/"+n.String(), n, offset, p)
	if missing(err) || errors.Is(err, io.EOF) {
		return c.fail(mft.CodeNotFound, at.name, "the object is gone")
	}
	return err
}

// follow returns which object is granted.
func (c *call) follow(at reference) (objectName, error) {
	now, err := c.now()
	if missing(err) {
		_, err = c.open(c.agent, temporaryDir) // says what is missing
	}
	if err != nil {
		return objectName{}, err
	}
	if millis(now) >= at.grant.until {
		return objectName{}, c.fail(mft.CodeExpired, at.name, "the grant has ended")
	}
	content, err := c.readSmall(at.dir()+"/"+at.grant.String(), 2*tokenSize+64)
	if missing(err) {
		if _, err := c.root.Lstat(at.dir()); missing(err) {
			return objectName{}, c.fail(mft.CodeNotFound, at.name, "the object is gone")
		}
		return objectName{}, c.fail(mft.CodeExpired, at.name, "the grant was withdrawn")
	}
	if err != nil {
		return objectName{}, err
	}
	n, ok := parseObjectName(string(content))
	if !ok {
		return objectName{}, c.fail(mft.CodeCorrupt, at.name, "the grant makes no sense")
	}
	return n, nil
}

// fill reads p from the blocks.
func (c *call) fill(ctx context.Context, blocks string, n objectName, offset int64, p []byte) error {
	for len(p) > 0 {
		block, from := offset/n.size, offset%n.size
		piece := p[:min(int64(len(p)), n.size-from)]
		f, _, err := c.root.OpenFile(blocks + "/" + blockName(int(block)))
		if err != nil {
			return err
		}
		err = readAt(ctx, f, from, piece)
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
		p, offset = p[len(piece):], offset+int64(len(piece))
	}
	return nil
}

// readAt fills p, and looks at the context in between.
func readAt(ctx context.Context, f *os.File, offset int64, p []byte) error {
	const step = 4 << 20
	for len(p) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(len(p), step)
		if _, err := f.ReadAt(p[:n], offset); err != nil {
			return err
		}
		p, offset = p[n:], offset+int64(n)
	}
	return nil
}

// discreet returns err without the paths in it, which are secret.
func (c *call) discreet(ctx context.Context, at reference, err error) error {
	var known *mft.Error
	if err == nil || ctx.Err() != nil || errors.As(err, &known) && known.Op == c.op {
		return err
	}
	cause := err
	for next := cause; next != nil; next = errors.Unwrap(next) {
		cause = next
	}
	return mft.Fail(codeFor(err), c.op, string(at.agent)+"/"+at.name, cause)
}
