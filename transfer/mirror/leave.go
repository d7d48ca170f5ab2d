package mirror

import (
	"context"
	"path"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/transfer/scan"
)

// A Leave reports whether what has a path at the destination stays, whatever the source
// has; of a directory that stays everything does. It is asked from the top down. Nil
// leaves nothing.
type Leave func(path string, dir bool) bool

// below returns l for paths below a root, of which dir is the destination.
func (l Leave) below(dir string) Leave {
	if l == nil || dir == "" || dir == "." {
		return l
	}
	return func(p string, is bool) bool { return l(strings.TrimPrefix(p, dir+"/"), is) }
}

func (l Leave) stays(p string, dir bool) bool { return l != nil && l(p, dir) }

// expand adds to a plan what of a directory goes when something may have to stay in it:
// the directory as a whole if nothing has to.
func (m *Mirror) expand(ctx context.Context, p *Plan, r journal.Removal) error {
	dir, err := m.root.Dir(r.Path)
	if err != nil {
		return unlessAbsent(err)
	}
	x, err := m.look(ctx, dir, r)
	if err != nil {
		return unlessAbsent(err)
	}
	x.into(p)
	return nil
}

// An expanse is what of a directory goes.
type expanse struct {
	whole  journal.Removal
	kept   bool              // not the directory
	parts  []journal.Removal // what goes when it is kept
	files  int64             // of the parts
	total  int64             // entries below it
	spared []string
}

func (x *expanse) into(p *Plan) {
	p.Total += x.total
	p.Files += x.files
	p.Spared = append(p.Spared, x.spared...)
	if !x.kept {
		p.Entries += x.whole.Entries
		p.Removals = append(p.Removals, x.whole)
		return
	}
	for _, r := range x.parts {
		p.Entries += r.Entries
	}
	p.Removals = append(p.Removals, x.parts...)
}

func (m *Mirror) look(ctx context.Context, dir *confine.Dir, r journal.Removal) (expanse, error) {
	x := expanse{whole: r}
	fi, err := dir.Stat()
	if err != nil {
		return x, err
	}
	device := confine.Stamp(fi).Dev
	var below []journal.Removal
	err = dir.List(func(name []byte, id *confine.Identity, _ []byte) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		text := string(name)
		x.total++
		switch at := path.Join(r.Path, text); {
		case id.Dev != device, scan.IsStaging(text):
			x.kept, x.spared = true, []string{r.Path}
		case m.leave(at, id.IsDir()):
			x.kept = true
		case id.IsDir():
			below = append(below, journal.Removal{Path: at, Dir: true, Inode: id.Inode, Entries: 1})
		default:
			x.files++
			x.parts = append(x.parts, journal.Removal{Path: at, Inode: id.Inode, Size: id.Size, MTime: id.MTime, Entries: 1})
		}
		return nil
	})
	if err != nil {
		return x, err
	}
	for _, r := range below {
		next, err := dir.Dir(path.Base(r.Path))
		if mft.CodeOf(err) == mft.CodeNotFound {
			continue
		}
		if err != nil {
			return x, err
		}
		in, err := m.look(ctx, next, r)
		if err != nil {
			return x, err
		}
		x.files, x.total, x.spared = x.files+in.files, x.total+in.total, append(x.spared, in.spared...)
		if in.kept {
			x.kept, x.parts = true, append(x.parts, in.parts...)
		} else {
			x.parts = append(x.parts, in.whole)
		}
	}
	for _, part := range x.parts {
		x.whole.Entries += part.Entries
	}
	return x, nil
}
