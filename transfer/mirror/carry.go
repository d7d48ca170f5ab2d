package mirror

import (
	"context"
	"path"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/scan"
)

// Carry removes what was planned and makes that durable. It returns how many
// entries are gone of those that were planned, whoever removed them: carrying
// out the same plan again gives the same number. What is no longer what was
// seen stays, as does what cannot be removed; of the latter told hears.
//
// The directories that held it keep their times. Of leave see New; its paths are those of the
// plan here.
func Carry(ctx context.Context, root *confine.Root, leave Leave, plan []journal.Removal, told func(error)) (int64, error) {
	var removed int64
	var open *parent
	for i := range plan {
		r := &plan[i]
		if ctx.Err() != nil {
			return removed, context.Cause(ctx)
		}
		dir := above(r.Path)
		if open == nil || open.path != dir {
			if err := open.close(); err != nil {
				return removed, err
			}
			var err error
			if open, err = openParent(root, dir); unlessAbsent(err) != nil {
				return removed, err
			} else if err != nil {
				open = nil // it went as a whole, and what was in it with it
				removed += r.Entries
				continue
			}
		}
		gone, err := open.remove(ctx, leave, r)
		if err != nil {
			told(err)
		}
		if gone {
			removed += r.Entries
		}
	}
	return removed, open.close()
}

func above(p string) string {
	if d := path.Dir(p); d != "." {
		return d
	}
	return ""
}

// A parent is a directory that something is removed from.
type parent struct {
	path string
	dir  *confine.Dir
	was  confine.Identity
}

func openParent(root *confine.Root, rel string) (*parent, error) {
	dir, err := root.Dir(rel)
	if err != nil {
		return nil, err
	}
	fi, err := dir.Stat()
	if err != nil {
		return nil, err
	}
	return &parent{rel, dir, confine.Stamp(fi)}, nil
}

// close makes durable what was removed.
func (p *parent) close() error {
	if p == nil {
		return nil
	}
	// Whoever may remove from it need not own it: then the time is the
	// system's.
	_ = p.dir.SetAttributes(confine.Attributes{Mode: p.was.Perm(), MTime: p.was.MTime, UID: -1, GID: -1})
	return unlessAbsent(p.dir.Sync())
}

// remove removes what was seen under a name, and reports whether that is gone.
func (p *parent) remove(ctx context.Context, leave Leave, r *journal.Removal) (gone bool, err error) {
	name := path.Base(r.Path)
	id, err := p.dir.Identity(name)
	if mft.CodeOf(err) == mft.CodeNotFound {
		return true, nil
	}
	if err != nil || id.Inode != r.Inode || id.IsDir() != r.Dir || id.Dev != p.was.Dev {
		return false, err
	}
	if r.Dir {
		return emptying{ctx, leave, p.was.Dev}.remove(p.dir, r.Path)
	}
	if id.Size != r.Size || id.MTime != r.MTime {
		return false, nil
	}
	err = p.dir.Remove(name)
	return err == nil, err
}

// An emptying removes directories with what is in them, as far as that is of the same
// file system, no staging, and not to be left.
type emptying struct {
	ctx    context.Context //nolint:containedctx // of one call of Carry
	leave  Leave
	device uint64
}

// remove removes the directory at a path, which lies in in.
func (x emptying) remove(in *confine.Dir, at string) (gone bool, err error) {
	dir, err := in.Dir(path.Base(at))
	if err != nil {
		return false, err
	}
	fi, err := dir.Stat()
	if err != nil || confine.Stamp(fi).Dev != x.device {
		return false, err
	}
	kept := false
	err = dir.Names(func(name string) error {
		if x.ctx.Err() != nil {
			return context.Cause(x.ctx)
		}
		id, err := dir.Identity(name)
		switch {
		case mft.CodeOf(err) == mft.CodeNotFound:
			return nil
		case err != nil:
			return err
		case scan.IsStaging(name), id.Dev != x.device, x.leave.stays(path.Join(at, name), id.IsDir()):
			kept = true
			return nil
		case id.IsDir():
			gone, err := x.remove(dir, path.Join(at, name))
			kept = kept || !gone
			return err
		}
		return dir.Remove(name)
	})
	if err != nil || kept {
		return false, err
	}
	err = in.Remove(path.Base(at))
	return err == nil, err
}

// Recover ends what an earlier attempt had planned and begun to remove, and
// returns how much this and earlier attempts removed. It is idempotent. It leaves what the
// mirror leaves.
func (m *Mirror) Recover(ctx context.Context, book transfer.Ledger, told func(error)) (int64, error) {
	state, err := book.Read(ctx)
	plan, before := state.Removals, state.Removed
	if err != nil || len(plan) == 0 {
		return before, err
	}
	removed, err := Carry(ctx, m.root, m.leave, plan, told)
	if err != nil {
		return before, err
	}
	err = book.Apply(ctx, ledger.Change{Removed: &removed})
	return before + removed, err
}
