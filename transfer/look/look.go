// Package look keeps what was seen of a directory, for whoever needs to know the
// same twice within a short time. It decides nothing.
package look

import (
	"bytes"
	"errors"
	"slices"

	"mft.dev/mft/internal/confine"
)

// Most is how many entries a [Look] has at most: those of a larger directory
// are not kept.
const Most = 4096

// A Look is what was seen of one directory: everything in it. It says
// nothing of what is there by now: who changes something on the strength of it
// looks again. The zero value has nothing. It is not safe for concurrent use.
type Look struct {
	// Folder is the directory itself, looked at before or after what is in it:
	// as long as that has not changed, no name has come, gone, or been given
	// to another file.
	Folder confine.Identity

	seen    []seen
	text    []byte // names and targets, one after the other
	large   bool
	inOrder bool
	next    int // where Take finds the next name, if it comes in order
}

// seenBytes is how much memory a seen takes.
const seenBytes = 80

// seen is one entry of a Look.
type seen struct {
	id                 confine.Identity
	from, name, target uint32 // text[from:name] is the name, text[name:target] the target
	taken              bool
}

// Reset makes the look empty; its memory is used again.
func (l *Look) Reset() { *l = Look{seen: l.seen[:0], text: l.text[:0]} }

// Add adds what [confine.Dir.List] tells of.
func (l *Look) Add(name []byte, id *confine.Identity, target []byte) error {
	if len(l.seen) == Most {
		l.large = true
		return errLarge
	}
	from := len(l.text)
	l.text = append(append(l.text, name...), target...)
	l.seen = append(l.seen, seen{id: *id, from: uint32(from), name: uint32(from + len(name)), target: uint32(len(l.text))})
	l.inOrder = false
	return nil
}

// errLarge says that a directory has more than a Look takes.
var errLarge = errors.New("the directory is too large to be kept in mind")

// Whole reports whether there was room for all of the directory.
func (l *Look) Whole() bool { return !l.large }

// Clone returns a copy that takes no more memory than it needs.
func (l *Look) Clone() *Look {
	c := *l
	c.seen = append(make([]seen, 0, len(l.seen)), l.seen...)
	c.text = append(make([]byte, 0, len(l.text)), l.text...)
	return &c
}

// Only returns a look that has of the same directory only the entries of these numbers,
// see At.
func (l *Look) Only(numbers []int) *Look {
	o := &Look{Folder: l.Folder}
	for _, i := range numbers {
		_ = o.Add(l.At(i)) // there is room for no more than l has
	}
	return o
}

// Needs is how many bytes of memory a clone takes.
func (l *Look) Needs() int { return len(l.seen)*seenBytes + len(l.text) }

// Size is how many bytes of memory the look takes.
func (l *Look) Size() int { return cap(l.seen)*seenBytes + cap(l.text) }

func (l *Look) nameOf(s *seen) []byte   { return l.text[s.from:s.name] }
func (l *Look) targetOf(s *seen) []byte { return l.text[s.name:s.target] }

// Len is how many entries the look has.
func (l *Look) Len() int { return len(l.seen) }

// At returns entry number i. The first that was added has number 0, until something is
// asked for by its name or in order.
func (l *Look) At(i int) (name []byte, id *confine.Identity, target []byte) {
	s := &l.seen[i]
	return l.nameOf(s), &s.id, l.targetOf(s)
}

// sort puts the entries in the order of their names.
func (l *Look) sort() {
	if !l.inOrder {
		slices.SortFunc(l.seen, func(a, b seen) int { return bytes.Compare(l.nameOf(&a), l.nameOf(&b)) })
		l.inOrder = true
	}
}

// Take returns what was seen under a name, and the target of a link. It does so
// once: who asks for the same name again may have changed it since.
func (l *Look) Take(name string) (id confine.Identity, target string, ok bool) {
	l.sort()
	at := l.next
	if at >= len(l.seen) || string(l.nameOf(&l.seen[at])) != name {
		at, ok = slices.BinarySearchFunc(l.seen, name, func(s seen, name string) int {
			return bytes.Compare(l.nameOf(&s), []byte(name))
		})
		if !ok {
			return id, "", false
		}
	}
	l.next = at + 1
	s := &l.seen[at]
	if s.taken {
		return id, "", false
	}
	s.taken = true
	return s.id, string(l.targetOf(s)), true
}

// All calls f for everything that was seen, taken or not, in the order of the
// names, as [confine.Dir.List] does.
func (l *Look) All(f confine.Visit) error {
	l.sort()
	for i := range l.seen {
		s := &l.seen[i]
		if err := f(l.nameOf(s), &s.id, l.targetOf(s)); err != nil {
			return err
		}
	}
	return nil
}

// LookAt looks at the directory at rel below root, into l, which is empty. It
// fails as [confine.Dir.List] does, and with an error of no code when the
// directory is too large.
func (l *Look) LookAt(root *confine.Root, rel string) error {
	dir, err := root.Dir(rel)
	if err != nil {
		return err
	}
	return l.Through(dir, l.Add)
}

// Through lists a directory, of which visit has l take note.
func (l *Look) Through(dir *confine.Dir, visit confine.Visit) error {
	fi, err := dir.Stat()
	if err != nil {
		return err
	}
	l.Folder = confine.Stamp(fi)
	return dir.List(visit)
}

// Watch sets Folder to what is at rel below root now, and reports whether that
// is a directory.
func (l *Look) Watch(root *confine.Root, rel string) bool {
	dir, err := root.Dir(rel)
	if err != nil {
		return false
	}
	fi, err := dir.Stat()
	if err == nil {
		l.Folder = confine.Stamp(fi)
	}
	return err == nil
}

// Fresh reports whether no name in the directory at rel below root has come,
// gone, or been given to another file since the look, and no other directory
// has taken its place. What was written into a file that was there does not
// show.
func (l *Look) Fresh(root *confine.Root, rel string) bool {
	dir, err := root.Dir(rel)
	return err == nil && l.Current(dir)
}

// Current is Fresh for a directory that is at hand.
func (l *Look) Current(dir *confine.Dir) bool {
	fi, err := dir.Stat()
	return err == nil && confine.Stamp(fi) == l.Folder
}
