// Package mirror removes from a destination what is not in the source.
//
// While a transfer runs, a [Mirror] is told which names the source has and,
// directory by directory, when these were all: [Mirror.Announced],
// [Mirror.Listed]. When everything else is committed, [Mirror.Finish] removes
// the rest: [Mirror.Plan] says what would go, [Decide] whether that is within
// the limits, and [Carry] does it, after the plan has been journaled. [Recover]
// ends what a crash interrupted.
//
// The package removes nothing that it has not seen itself, as the same file or
// directory, while the transfer ran; nothing through a symbolic link; nothing
// on another file system than the directory that holds it; and no staging, nor
// a directory that holds any. It decides neither who may have something
// removed nor whether the source was read to its end.
package mirror

import (
	"context"
	"errors"
	"hash/maphash"
	"path"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/look"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/transfer/staging/versions"
)

// A Mirror knows what is at the destination and not in the source. It is not
// safe for concurrent use.
type Mirror struct {
	root     *confine.Root
	dir      string // where the items go
	versions bool   // what was set aside under a version's name stays
	leave    Leave

	seed  maphash.Seed
	first uint64   // index of names[0]
	names []uint64 // hashes of the names of the items that were announced last
	done  bool     // no name of a directory follows

	touched map[string]confine.Identity

	held     holding
	resolved bool // nothing more is held back

	total  int64 // entries at the destination in the directories that were told of
	extras []journal.Removal
}

// New returns a mirror of the directory dir below root. versions says that
// replaced files were kept as NAME.~N~, leave what is not for the mirror to remove.
func New(root *confine.Root, dir string, versions bool, leave Leave) *Mirror {
	return &Mirror{root: root, dir: dir, versions: versions, leave: leave.below(dir), seed: maphash.MakeSeed(), touched: make(map[string]confine.Identity), held: newHolding()}
}

// Announced notes the item with the next index. Eight bytes are kept of it
// until its directory is closed.
func (m *Mirror) Announced(index uint64, itemPath string) {
	if m.done {
		return
	}
	if len(m.names) == 0 {
		m.first = index
	}
	m.names = append(m.names, m.hash(path.Base(itemPath)))
}

func (m *Mirror) hash(name string) uint64 { return maphash.String(m.seed, name) }

// Scanned notes that what is announced from now on was announced before.
func (m *Mirror) Scanned() { m.names, m.done = nil, true }

// There adds to how many entries there are at the destination: those of a
// directory of which no Listed follows.
func (m *Mirror) There(entries int64) { m.total += entries }

// Listed notes that a directory of the source has the items that l says and
// nothing else, and looks what the destination has there besides, unless that
// was seen already; next is the index that the next item gets. Nothing there,
// and something else than a directory, is no error. Errors: mft.CodeProtocol, and
// those of confine.
func (m *Mirror) Listed(ctx context.Context, l *listing.Listed, next uint64, seen *look.Look) error {
	delete(m.held.open, l.Path)
	from := l.First - m.first
	if len(m.names) == 0 {
		from = 0
	}
	if m.done || l.First+l.Count != next || l.Count > uint64(len(m.names)) || from+l.Count != uint64(len(m.names)) {
		return transfer.Nonsense("the end of the items %d to %d came out of turn", l.First, l.First+l.Count)
	}
	names := m.names[from:]
	m.names = m.names[:0]
	slices.Sort(names)
	rel := path.Join(m.dir, l.Path)
	if rel == "." {
		rel = ""
	}
	if seen != nil {
		return seen.All(m.extra(ctx, l, names, rel, seen.Folder.Dev))
	}
	dir, err := m.root.Dir(rel)
	if err != nil {
		return unlessAbsent(err)
	}
	fi, err := dir.Stat()
	if err != nil {
		return unlessAbsent(err)
	}
	return dir.List(m.extra(ctx, l, names, rel, confine.Stamp(fi).Dev))
}

// extra returns what is called for each entry of the directory rel, and takes
// note of what is not among the names. Carry looks again before anything goes.
func (m *Mirror) extra(ctx context.Context, l *listing.Listed, names []uint64, rel string, device uint64) confine.Visit {
	return func(name []byte, id *confine.Identity, _ []byte) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		text := string(name)
		if scan.IsStaging(text) {
			return nil
		}
		m.total++
		_, known := slices.BinarySearch(names, m.hash(text))
		if known || !l.Whole || id.Dev != device || slices.Contains(l.Kept, text) || m.versions && versions.Is(text) || m.leave.stays(path.Join(rel, text), id.IsDir()) {
			return nil
		}
		r := journal.Removal{Path: path.Join(rel, text), Dir: id.IsDir(), Inode: id.Inode, Entries: 1}
		if !r.Dir {
			r.Size, r.MTime = id.Size, id.MTime
		}
		m.extras = append(m.extras, r)
		return nil
	}
}

// unlessAbsent ignores that there is no directory.
func unlessAbsent(err error) error {
	switch mft.CodeOf(err) {
	case mft.CodeNotFound, mft.CodeWrongType, mft.CodeSymlink:
		return nil
	}
	return err
}

// A Plan is what would be removed.
type Plan struct {
	Removals []journal.Removal
	// Files is how much of it is not a directory, Entries all of it, and
	// Total how many entries there are at the destination.
	Files, Entries, Total int64
	// Spared are directories that stay, because of what is in them.
	Spared []string
}

// Plan counts what would go. What has vanished meanwhile does not.
func (m *Mirror) Plan(ctx context.Context) (Plan, error) {
	p := Plan{Total: m.total}
	for _, r := range m.extras {
		if !r.Dir {
			p.Files++
			p.Entries++
			p.Removals = append(p.Removals, r)
			continue
		}
		if m.leave != nil {
			if err := m.expand(ctx, &p, r); err != nil {
				return Plan{}, err
			}
			continue
		}
		files, entries, err := m.count(ctx, r.Path)
		switch {
		case errors.Is(err, errSpared):
			p.Spared = append(p.Spared, r.Path)
			continue
		case mft.CodeOf(err) == mft.CodeNotFound:
			continue
		case err != nil:
			return Plan{}, err
		}
		r.Entries = 1 + entries
		p.Files += files
		p.Entries += r.Entries
		p.Total += entries
		p.Removals = append(p.Removals, r)
	}
	return p, nil
}

// errSpared says that a directory must stay.
var errSpared = errors.New("it holds a mount point or the staging of a transfer")

// count counts what is in a directory.
func (m *Mirror) count(ctx context.Context, rel string) (files, entries int64, err error) {
	dir, err := m.root.Dir(rel)
	if err != nil {
		return 0, 0, err
	}
	return countIn(ctx, dir)
}

func countIn(ctx context.Context, dir *confine.Dir) (files, entries int64, err error) {
	fi, err := dir.Stat()
	if err != nil {
		return 0, 0, err
	}
	device := confine.Stamp(fi).Dev
	var below []string
	err = dir.List(func(name []byte, id *confine.Identity, _ []byte) error {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case id.Dev != device, scan.IsStaging(string(name)):
			return errSpared
		}
		entries++
		if id.IsDir() {
			below = append(below, string(name))
		} else {
			files++
		}
		return nil
	})
	for _, name := range below {
		if err != nil {
			return 0, 0, err
		}
		var next *confine.Dir
		if next, err = dir.Dir(name); err == nil {
			var f, e int64
			f, e, err = countIn(ctx, next)
			files, entries = files+f, entries+e
		}
	}
	return files, entries, err
}

// Touch notes, unless m is nil, that a directory of the destination, which was there before, is
// about to get or lose a name; Finish gives it back its time. One that is to
// get the attributes of its item is noted by Set.
func (m *Mirror) Touch(rel string) {
	if m == nil || rel == m.dir {
		return
	}
	if _, ok := m.touched[rel]; ok {
		return
	}
	m.touched[rel] = confine.Identity{}
	dir, err := m.root.Dir(rel)
	if err != nil {
		return
	}
	if fi, err := dir.Stat(); err == nil {
		m.touched[rel] = confine.Stamp(fi)
	}
}

// Set is described at Touch.
func (m *Mirror) Set(rel string) {
	if m != nil {
		m.touched[rel] = confine.Identity{}
	}
}

// restore gives directories their times. What cannot be given back is left: a time is
// not worth a transfer.
func (m *Mirror) restore() {
	for rel, was := range m.touched {
		if was.Inode == 0 {
			continue
		}
		dir, err := m.root.Dir(rel)
		if err != nil {
			continue
		}
		if fi, err := dir.Stat(); err == nil && confine.Stamp(fi).Inode == was.Inode {
			_ = dir.SetAttributes(confine.Attributes{Mode: was.Perm(), MTime: was.MTime, UID: -1, GID: -1})
		}
	}
}
