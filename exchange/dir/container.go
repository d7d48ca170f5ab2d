package dir

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/internal/confine"
)

const (
	// objectPrefix begins the directory of each object, so that no name is one
	// that some system keeps for itself.
	objectPrefix = "o-"
	// stagedDir has the blocks of an object that is not published.
	stagedDir = "staged"
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
		if _, published, err := find(object); err != nil || published {
			if err == nil {
				err = c.fail(mft.CodeExists, name, "the object is published already")
			}
			return err
		}
		staged, err := c.make(c.own(objectsDir, objectPrefix+name, stagedDir), openMode)
		if err != nil {
			return err
		}
		return write(temp, staged, blockName(block), content)
	})
}

// find returns under which name an object is published, if it is.
func find(object *confine.Dir) (n objectName, published bool, err error) {
	err = object.Names(func(name string) error {
		if m, ok := parseObjectName(name); ok {
			n, published = m, true
			return errEnough
		}
		return nil
	})
	if err == errEnough {
		err = nil
	}
	return n, published, err
}

func (x container) Publish(ctx context.Context, name string, blocks int) error {
	if err := exchange.CheckName(name); err != nil {
		return err
	}
	if blocks < 1 || blocks > maxBlocks {
		return mft.Fail(mft.CodeTooLarge, "publish object", name, fmt.Errorf("it has %d blocks, and may have 1 to %d", blocks, maxBlocks))
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
		err = c.publish(ctx, object, name, blocks)
		if missing(err) {
			// Another process may have published it meanwhile.
			if done, e := c.published(object, name, blocks); e != nil || done {
				return e
			}
		}
		return err
	})
}

// published reports whether an object is published with this number of blocks.
func (c *call) published(object *confine.Dir, name string, blocks int) (bool, error) {
	n, published, err := find(object)
	if err != nil || !published {
		return false, err
	}
	if n.blocks != int64(blocks) {
		return false, c.fail(mft.CodeExists, name, fmt.Sprintf("it is published with %d blocks, not with %d", n.blocks, blocks))
	}
	return true, flush(object, nil)
}

// publish makes an object of its blocks.
func (c *call) publish(ctx context.Context, object *confine.Dir, name string, blocks int) error {
	staged, err := object.Dir(stagedDir)
	if err != nil {
		return err
	}
	n := objectName{token: token(), blocks: int64(blocks)}
	if n.size, n.last, err = c.measure(ctx, staged, name, blocks); err != nil {
		return err
	}
	// A crash may have come between making a directory and setting its mode.
	for _, d := range []*confine.Dir{object, staged} {
		if err := setMode(d, openMode); err != nil {
			return err
		}
	}
	if err := flush(staged, nil); err != nil {
		return err
	}
	c.root.FlushCache() // some systems do not rename what is open
	if err := object.Rename(stagedDir, object, n.String(), confine.RenameReplace); err != nil {
		return err
	}
	return flush(object, nil)
}

// measure returns the size of all blocks and of the last one. It removes what
// was staged beyond, and fails when a block is missing or of another size.
func (c *call) measure(ctx context.Context, staged *confine.Dir, name string, blocks int) (size, last int64, err error) {
	var beyond []string
	found := 0
	smallest, largest := int64(maxBlock+1), int64(0) // of all but the last
	err = staged.List(func(entry []byte, id *confine.Identity, _ []byte) error {
		var block int
		switch n, err := fmt.Sscanf(string(entry), "%05d", &block); {
		case err != nil || n != 1 || blockName(block) != string(entry) || block >= blocks || !id.IsRegular():
			beyond = append(beyond, string(entry))
			return ctx.Err()
		case block == blocks-1:
			last = id.Size
		default:
			smallest, largest = min(smallest, id.Size), max(largest, id.Size)
		}
		found++
		return ctx.Err()
	})
	if err != nil {
		return 0, 0, err
	}
	if found != blocks {
		return 0, 0, c.fail(mft.CodeNotFound, name, fmt.Sprintf("of %d blocks %d are staged", blocks, found))
	}
	if blocks == 1 {
		smallest, largest = last, last
	}
	if smallest != largest || last > largest || last < 1 {
		return 0, 0, c.fail(mft.CodeUsage, name, "its blocks are not of one size")
	}
	for _, entry := range beyond {
		if err := ignoreMissing(staged.Remove(entry)); err != nil {
			return 0, 0, err
		}
	}
	return largest, last, nil
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
		aside := partPrefix + token()
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
			o, err := describe(objects, name)
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
func describe(objects *confine.Dir, name string) (exchange.Object, error) {
	object, err := objects.Dir(objectPrefix + name)
	if err != nil {
		return exchange.Object{}, err
	}
	n, published, err := find(object)
	if err != nil {
		return exchange.Object{}, err
	}
	o := exchange.Object{Name: name, Published: published}
	blocks := stagedDir
	if published {
		o.Size, blocks = n.total(), n.String()
	}
	fi, err := object.Lstat(blocks)
	if missing(err) && !published {
		fi, err = object.Stat() // a crash came before the first block
	}
	if err != nil {
		return exchange.Object{}, err
	}
	o.Changed = fi.ModTime()
	return o, nil
}

// A statement is one file in the directory of keys.
const statementPrefix = "k-"

type keys struct{ f *folder }

func (k keys) Publish(ctx context.Context, id string, statement []byte) error {
	if err := exchange.CheckStatement(id, statement); err != nil {
		return err
	}
	return k.f.use(ctx, "publish statement", func(c *call) error {
		temp, err := c.open(c.agent, temporaryDir)
		if err != nil {
			return err
		}
		d, err := c.open(c.agent, keysDir)
		if err != nil {
			return err
		}
		if err := thin(d, statementPrefix+id); err != nil {
			return err
		}
		return write(temp, d, statementPrefix+id, statement)
	})
}

// thin removes the oldest statements but for as many as leave room for one more.
func thin(d *confine.Dir, but string) error {
	for {
		n, oldest, first := 0, "", confine.Identity{}
		err := d.List(func(name []byte, id *confine.Identity, _ []byte) error {
			if s := string(name); strings.HasPrefix(s, statementPrefix) && s != but {
				if n++; n == 1 || id.MTime < first.MTime {
					oldest, first = s, *id
				}
			}
			return nil
		})
		if err != nil || n < exchange.MaxStatements {
			return err
		}
		if err := ignoreMissing(d.Remove(oldest)); err != nil {
			return err
		}
	}
}

func (k keys) Statements(ctx context.Context, of mft.AgentName) (out [][]byte, err error) {
	if _, err := mft.ParseAgentName(string(of)); err != nil {
		return nil, err
	}
	err = k.f.use(ctx, "read statements", func(c *call) error {
		d, err := c.open(of, keysDir)
		if missing(err) {
			return c.fail(mft.CodeNotFound, string(of), "this agent has no keys in the folder")
		}
		if err != nil {
			return err
		}
		looked := 0
		err = d.Names(func(name string) error {
			if looked++; looked > 16*exchange.MaxStatements || len(out) == exchange.MaxStatements {
				return errEnough
			}
			if !strings.HasPrefix(name, statementPrefix) {
				return ctx.Err()
			}
			statement, err := c.readSmall(d.Rel()+"/"+name, exchange.MaxStatement)
			switch mft.CodeOf(err) {
			case mft.CodeOK:
				out = append(out, statement)
			case mft.CodeNotFound, mft.CodeTooLarge, mft.CodeNotRegular, mft.CodeSymlink: // is no statement
			default:
				return err
			}
			return ctx.Err()
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
