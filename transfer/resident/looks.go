package resident

import (
	"path"

	"mft.dev/mft/internal/confine"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/look"
)

// mostLooks is how many bytes of looks are kept, about 20,000 entries.
const mostLooks = 2 << 20

// Looks are what was seen of directories that differ, until their items were
// asked for. Those of one directory come in a row: with the first the directory
// must be what it was when it was looked at, and is forgotten with the first of
// another.
type looks struct {
	root *confine.Root
	dir  string // where items go
	off  bool

	kept  map[string]*look.Look // by path below root
	order []string              // of kept, the oldest first
	size  int                   // of kept, in bytes
	spare *look.Look            // memory that nobody uses

	in    string     // the directory that is gone through
	now   *look.Look // what was seen of it, nil for nothing
	asked int        // how many items of it came
}

func newLooks(root *confine.Root, dir string) looks {
	return looks{root: root, dir: dir, kept: make(map[string]*look.Look)}
}

// take returns an empty look.
func (l *looks) take() *look.Look {
	if l.spare == nil {
		l.spare = new(look.Look)
	}
	l.spare.Reset()
	return l.spare
}

// keep keeps what was seen of the directory of that path, which take returned.
// What is oldest makes room.
func (l *looks) keep(itemPath string, seen *look.Look) {
	rel := l.below(itemPath)
	if l.off || !seen.Whole() || !seen.Watch(l.root, rel) {
		return
	}
	l.forget(rel)
	seen = seen.Clone()
	if seen.Size() > mostLooks {
		return
	}
	l.kept[rel] = seen
	l.order = append(l.order, rel)
	l.size += seen.Size()
	for l.size > mostLooks {
		l.forget(l.order[0])
	}
}

// below is the path below the root of the directory that is an item.
func (l *looks) below(itemPath string) string {
	if rel := path.Join(l.dir, itemPath); rel != "." {
		return rel
	}
	return ""
}

// forget drops what is kept of a directory, and returns it.
func (l *looks) forget(rel string) *look.Look {
	seen := l.kept[rel]
	if seen == nil {
		return nil
	}
	delete(l.kept, rel)
	l.size -= seen.Size()
	for i := range l.order { // it is most often the first
		if l.order[i] == rel {
			l.order = append(l.order[:i], l.order[i+1:]...)
			break
		}
	}
	return seen
}

// at returns what was seen under a name in a directory.
func (l *looks) at(rel, name string) (id confine.Identity, target string, ok bool) {
	if l.off {
		return id, "", false
	}
	l.enter(rel)
	// The items of a directory that differs come all of them: when there is a
	// second one, one look at all is less than one at each.
	if l.asked++; l.now == nil && l.asked == 2 {
		if seen := new(look.Look); seen.LookAt(l.root, rel) == nil {
			l.now = seen
		}
	}
	if l.now == nil {
		return id, "", false
	}
	return l.now.Take(name)
}

// enter begins with a directory.
func (l *looks) enter(rel string) {
	if l.in == rel && l.asked > 0 {
		return
	}
	l.in, l.asked = rel, 0
	if l.now = l.forget(rel); l.now != nil && !l.now.Fresh(l.root, rel) {
		l.now = nil
	}
}

// drop forgets everything.
func (l *looks) drop() {
	clear(l.kept)
	l.order, l.size, l.now, l.asked = nil, 0, nil, 0
}

// Seen returns what was seen of the directory of that path while its items came,
// nil for nothing; of one that was matched, only what both ends do not have. It is
// forgotten with that. Errors: mft.CodeProtocol.
func (p *Place) Seen(itemPath string) (*look.Look, error) {
	l := &p.looks
	rel := l.below(itemPath)
	if rest := p.rest; rest != nil && rest.rel == rel {
		p.rest = nil
		return rest.seen, nil
	}
	if p.rest != nil || p.isPrinted(rel) {
		return nil, transfer.Nonsense("%q ended before what is the same in it was told", itemPath)
	}
	if l.off {
		return nil, nil
	}
	l.enter(rel)
	seen := l.now
	l.now, l.asked = nil, 0
	return seen, nil
}

// Scanned says that what is announced from now on was announced before, and may
// have been written meanwhile: everything is looked at anew. Errors: mft.CodeProtocol.
func (p *Place) Scanned() error {
	if len(p.printed) > 0 || p.rest != nil {
		return transfer.Nonsense("the source ended before %d directories were matched", len(p.printed))
	}
	p.looks.drop()
	p.looks.off, p.looks.spare = true, nil
	return nil
}
