package dir

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/dir/layout"
	"mft.dev/mft/internal/confine"
)

const (
	// objectPrefix begins the directory of each object, so that no name is one
	// that some system keeps for itself.
	objectPrefix = "o-"
	// openMode of directories lets others go through them, and not list them.
	openMode = 0o711
)

// A container is the objects of the agent.
type container struct{ f *folder }

func (x container) Stage(ctx context.Context, name string, block int, content []byte) error {
	if err := exchange.CheckName(name); err != nil {
		return err
	}
	if err := x.f.exchange().Sizes.CheckBlock(name, block, content); err != nil {
		return err
	}
	return x.f.use(ctx, "stage block", func(c *call) error {
		temp, err := c.open(c.agent, temporaryDir)
		if err != nil {
			return err
		}
		object, err := c.make(c.own(objectsDir, objectPrefix+name), openMode)
		if err != nil {
			return err
		}
		if err := c.unpublished(name); err != nil {
			return err
		}
		err = c.stage(ctx, temp, object, name, block, content)
		if missing(err) { // who publishes tidies up
			err = cmp.Or(c.unpublished(name), err)
		}
		return err
	})
}

func (x container) Publish(ctx context.Context, name string, blocks int) error {
	if err := exchange.CheckName(name); err != nil {
		return err
	}
	if blocks < 1 || blocks > layout.MaxBlocks {
		return mft.Fail(mft.CodeTooLarge, "publish object", name, fmt.Errorf("it has %d blocks, and may have 1 to %d", blocks, layout.MaxBlocks))
	}
	return x.f.use(ctx, "publish object", func(c *call) error {
		object, err := c.open(c.agent, objectsDir, objectPrefix+name)
		if missing(err) {
			return c.fail(mft.CodeNotFound, name, "nothing of it is staged")
		}
		if err != nil {
			return err
		}
		done, err := c.published(object, name, blocks)
		if err != nil || done {
			return err
		}
		return c.publish(ctx, object, name, blocks)
	})
}

func (x container) Remove(ctx context.Context, name string) error {
	if err := exchange.CheckName(name); err != nil {
		return err
	}
	return x.f.use(ctx, "remove object", func(c *call) error {
		objects, err := c.open(c.agent, objectsDir)
		if err != nil {
			return err
		}
		temp, err := c.open(c.agent, temporaryDir)
		if err != nil {
			return err
		}
		// It is gone at once, for those who read it too; then its blocks go.
		aside := partPrefix + layout.Token()
		c.root.FlushCache() // some systems do not rename what is open
		err = objects.Rename(objectPrefix+name, temp, aside, confine.RenameReplace)
		if missing(err) {
			if _, e := temp.Identity(aside); e != nil { // else done, and the answer was lost
				return flush(objects, nil)
			}
			err = nil
		}
		if err != nil {
			return err
		}
		if err := flush(objects, nil); err != nil {
			return err
		}
		_ = c.root.RemoveAll(c.own(temporaryDir, aside)) // else List does it
		return c.sweep(ctx)
	})
}

func (x container) List(ctx context.Context, yield func(exchange.Object) bool) error {
	return x.f.use(ctx, "list objects", func(c *call) error {
		if err := c.sweep(ctx); err != nil {
			return err
		}
		objects, err := c.open(c.agent, objectsDir)
		if err != nil {
			return err
		}
		err = objects.Names(func(entry string) error {
			name, ok := strings.CutPrefix(entry, objectPrefix)
			if !ok || exchange.CheckName(name) != nil {
				return ctx.Err()
			}
			o, err := c.describe(objects, name)
			if missing(err) {
				return ctx.Err() // removed meanwhile
			}
			if err != nil {
				return err
			}
			if !yield(o) {
				return errEnough
			}
			return ctx.Err()
		})
		if err == errEnough {
			return nil
		}
		return err
	})
}

// describe returns what List says of an object.
func (c *call) describe(objects *confine.Dir, name string) (exchange.Object, error) {
	object, err := objects.Dir(objectPrefix + name)
	if err != nil {
		return exchange.Object{}, err
	}
	x, published, err := c.index(name)
	if err != nil {
		return exchange.Object{}, err
	}
	o := exchange.Object{Name: name, Published: published}
	if published {
		fi, err := object.Lstat(publishedDir)
		if err != nil {
			return exchange.Object{}, err
		}
		o.Size, o.Changed = x.Total(), fi.ModTime()
		return o, nil
	}
	fi, err := object.Stat() // a crash came before the first block
	if err != nil {
		return exchange.Object{}, err
	}
	o.Changed = fi.ModTime()
	layers, err := layersOf(object)
	if err != nil {
		return exchange.Object{}, err
	}
	for _, l := range layers {
		fi, err := object.Lstat(l.String())
		if err != nil {
			return exchange.Object{}, err
		}
		if fi.ModTime().After(o.Changed) {
			o.Changed = fi.ModTime()
		}
	}
	return o, nil
}
