package dir

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"mft.dev/mft"
	"mft.dev/mft/exchange/dir/layout"
	"mft.dev/mft/internal/confine"
)

const (
	// publishedDir appears in the directory of an object when it is published, with
	// what it holds, by a rename that only one process can win.
	publishedDir = "published"
	// indexFile is what it holds. Others cannot read it there, since it says what a
	// grant says. It does not change any more.
	indexFile = "index"
)

// layersOf returns the layers of an object, the lowest first.
func layersOf(object *confine.Dir) (out []layout.Layer, err error) {
	err = object.Names(func(name string) error {
		if l, ok := layout.ParseLayer(name); ok {
			out = append(out, l)
		}
		return nil
	})
	slices.SortFunc(out, layout.Layer.Below)
	return out, err
}

// stage puts a block into the layer on top, if it is one of this process, or
// else into a new one above all: a layer has one writer, and each of its blocks is
// written once, so what is published from it stays.
func (c *call) stage(ctx context.Context, temp, object *confine.Dir, name string, block int, content []byte) error {
	least := int64(1)
	for {
		layers, err := layersOf(object)
		if err != nil {
			return err
		}
		mine := layout.Layer{Number: least, Token: c.writer}
		if n := len(layers); n > 0 {
			top := layers[n-1]
			if top.Token != c.writer {
				top.Number++
			}
			mine.Number = max(least, top.Number)
		}
		if mine.Number > layout.MaxLayers {
			return c.fail(mft.CodeTooLarge, name, "its blocks were staged again too often")
		}
		layer, err := c.make(c.own(objectsDir, objectPrefix+name, mine.String()), openMode)
		if err != nil {
			return err
		}
		err = write(temp, layer, layout.Block(block), content, confine.RenameNoReplace)
		if mft.CodeOf(err) != mft.CodeExists {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		least = mine.Number + 1
	}
}

// index returns how an object of this agent is published, if it is. Something
// else in the place of an index, which this agent did not write, is none: such an
// object is not published, and can only be removed.
func (c *call) index(name string) (x layout.Index, published bool, err error) {
	content, err := c.readSmall(c.own(objectsDir, objectPrefix+name, publishedDir, indexFile), layout.MaxIndex)
	switch mft.CodeOf(err) {
	case mft.CodeOK:
		x, published = layout.ParseIndex(content)
		return x, published, nil
	case mft.CodeNotFound, mft.CodeTooLarge, mft.CodeNotRegular, mft.CodeWrongType, mft.CodeSymlink:
		return layout.Index{}, false, nil
	}
	return layout.Index{}, false, err
}

// unpublished fails when an object is published.
func (c *call) unpublished(name string) error {
	_, published, err := c.index(name)
	if err == nil && published {
		err = c.fail(mft.CodeExists, name, "the object is published already")
	}
	return err
}

// published reports whether an object is published with this number of blocks.
func (c *call) published(object *confine.Dir, name string, blocks int) (bool, error) {
	x, published, err := c.index(name)
	if err != nil || !published {
		return false, err
	}
	if x.Blocks != int64(blocks) {
		return false, c.fail(mft.CodeExists, name, fmt.Sprintf("it is published with %d blocks, not with %d", x.Blocks, blocks))
	}
	return true, flush(object, nil)
}

// publish makes an object of its blocks: of each the one in the highest layer.
func (c *call) publish(ctx context.Context, object *confine.Dir, name string, blocks int) error {
	chosen, err := c.choose(ctx, object, name, blocks)
	if err != nil {
		return err
	}
	// A crash may have come between making a directory and setting its mode.
	dirs := []*confine.Dir{object}
	for l := range chosen.used {
		d, err := object.Dir(l.String())
		if err != nil {
			return err
		}
		dirs = append(dirs, d)
	}
	for _, d := range dirs {
		if err := errors.Join(setMode(d, openMode), flush(d, nil)); err != nil {
			return err
		}
	}
	if err := c.decide(object, chosen.index); err != nil {
		// Another process may have published it meanwhile.
		if done, e := c.published(object, name, blocks); e != nil || done {
			return e
		}
		return err
	}
	// Nobody reads the rest any more. What stays all the same goes with the object.
	for _, rel := range chosen.spare {
		_ = c.root.RemoveAll(c.own(objectsDir, objectPrefix+name, rel))
	}
	return flush(object, nil)
}

// decide makes the index the one of the object. It fails when there is one.
func (c *call) decide(object *confine.Dir, x layout.Index) error {
	temp, err := c.open(c.agent, temporaryDir)
	if err != nil {
		return err
	}
	part := partPrefix + layout.Token()
	made, err := c.make(c.own(temporaryDir, part), 0o700)
	if err != nil {
		return err
	}
	err = write(temp, made, indexFile, []byte(x.String()), confine.RenameReplace)
	if err == nil {
		c.root.FlushCache() // some systems do not rename what is open
		// In the place of a directory a rename puts another only if that is empty.
		err = temp.Rename(part, object, publishedDir, confine.RenameReplace)
	}
	if err != nil {
		return errors.Join(err, c.root.RemoveAll(c.own(temporaryDir, part)))
	}
	return flush(object, nil)
}

// A choice is of which blocks an object is made.
type choice struct {
	index layout.Index
	used  map[layout.Layer]bool
	spare []string // layers and blocks in layers that are not used
}

// choose fails when a block is missing or of another size.
func (c *call) choose(ctx context.Context, object *confine.Dir, name string, blocks int) (choice, error) {
	layers, err := layersOf(object)
	if err != nil {
		return choice{}, err
	}
	type staged struct {
		layer int // 1 is the lowest
		size  int64
	}
	of, found := make([]staged, blocks), 0
	out := choice{used: map[layout.Layer]bool{}}
	for i, l := range layers {
		layer, err := object.Dir(l.String())
		if err != nil {
			return choice{}, err
		}
		err = layer.List(func(entry []byte, id *confine.Identity, _ []byte) error {
			block, err := strconv.Atoi(string(entry))
			switch {
			case err != nil || block < 0 || block >= blocks || layout.Block(block) != string(entry) || !id.IsRegular():
				out.spare = append(out.spare, l.String()+"/"+string(entry))
				return ctx.Err()
			case of[block].layer == 0:
				found++
			default:
				out.spare = append(out.spare, layers[of[block].layer-1].String()+"/"+string(entry))
			}
			of[block] = staged{i + 1, id.Size}
			return ctx.Err()
		})
		if err != nil {
			return choice{}, err
		}
	}
	if found != blocks {
		return choice{}, c.fail(mft.CodeNotFound, name, fmt.Sprintf("of %d blocks %d are staged", blocks, found))
	}
	out.index = layout.Index{Blocks: int64(blocks), Size: of[0].size, Last: of[blocks-1].size}
	for block, s := range of {
		l := layers[s.layer-1]
		if block == 0 || s.layer != of[block-1].layer {
			out.index.Parts = append(out.index.Parts, layout.Part{First: int64(block), Layer: l})
		}
		out.used[l] = true
		if block < blocks-1 && s.size != out.index.Size {
			return choice{}, c.fail(mft.CodeUsage, name, "its blocks are not of one size")
		}
	}
	if x := out.index; x.Last > x.Size || x.Last < 1 {
		return choice{}, c.fail(mft.CodeUsage, name, "its blocks are not of one size")
	}
	for _, l := range layers {
		if !out.used[l] {
			out.spare = append(out.spare, l.String())
		}
	}
	return out, nil
}
