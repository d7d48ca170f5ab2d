package dir

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/dir/layout"
	"mft.dev/mft/internal/confine"
)

func (x container) Grant(ctx context.Context, name string, life time.Duration) (out exchange.Grant, err error) {
	if err := exchange.CheckName(name); err != nil {
		return exchange.Grant{}, err
	}
	if life, err = exchange.CheckLife(life); err != nil {
		return exchange.Grant{}, err
	}
	err = x.f.use(ctx, "grant object", func(c *call) error {
		x, published, err := c.index(name)
		if err != nil {
			return err
		}
		object, err := c.open(c.agent, objectsDir, objectPrefix+name)
		if missing(err) || err == nil && !published {
			return c.fail(mft.CodeNotFound, name, "no such object is published")
		}
		if err != nil {
			return err
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
		r := reference{c.agent, name, layout.Grant{Until: layout.Millis(until), Token: layout.Token()}}
		if err := write(temp, object, r.grant.String(), []byte(x.String()), confine.RenameReplace); err != nil {
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
		if g, ok := layout.ParseGrant(name); ok && g.Until < layout.Millis(now) {
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
	x, err := c.follow(at)
	if err != nil {
		return err
	}
	if offset > x.Total() || int64(len(p)) > x.Total()-offset {
		return c.fail(mft.CodeNotFound, at.name, "the object is shorter")
	}
	err = c.fill(ctx, at.dir(), x, offset, p)
	if missing(err) || errors.Is(err, io.EOF) {
		return c.fail(mft.CodeNotFound, at.name, "the object is gone")
	}
	return err
}

// follow returns which object is granted.
func (c *call) follow(at reference) (layout.Index, error) {
	now, err := c.now()
	if missing(err) {
		_, err = c.open(c.agent, temporaryDir) // says what is missing
	}
	if err != nil {
		return layout.Index{}, err
	}
	if layout.Millis(now) >= at.grant.Until {
		return layout.Index{}, c.fail(mft.CodeExpired, at.name, "the grant has ended")
	}
	content, err := c.readSmall(at.dir()+"/"+at.grant.String(), layout.MaxIndex)
	if missing(err) {
		if _, err := c.root.Lstat(at.dir()); missing(err) {
			return layout.Index{}, c.fail(mft.CodeNotFound, at.name, "the object is gone")
		}
		return layout.Index{}, c.fail(mft.CodeExpired, at.name, "the grant was withdrawn")
	}
	if err != nil {
		return layout.Index{}, err
	}
	x, ok := layout.ParseIndex(content)
	if !ok {
		return layout.Index{}, c.fail(mft.CodeCorrupt, at.name, "the grant makes no sense")
	}
	return x, nil
}

// fill reads p from the blocks of the object in a directory.
func (c *call) fill(ctx context.Context, object string, x layout.Index, offset int64, p []byte) error {
	for len(p) > 0 {
		block, from := offset/x.Size, offset%x.Size
		piece := p[:min(int64(len(p)), x.Size-from)]
		f, _, err := c.root.OpenFile(path.Join(object, x.Layer(block).String(), layout.Block(int(block))))
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
