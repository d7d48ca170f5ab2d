// Package aside keeps track of directories that are built aside: inside a
// transfer's staging directory, with everything below them under its own name,
// to be published by one rename each. Nobody sees half of such a directory,
// and the journal needs one entry for it instead of one for each file.
//
// It also remembers which directories an earlier attempt published that way:
// all that is below them was delivered with them.
//
// The package is bookkeeping over paths, relative to the landing's root. It
// refuses to touch a file; package staging does.
package aside

import (
	"path"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

// Mark is the digest that the journal has with the key of a directory that was
// built aside.
func Mark() mft.Digest { return mft.Digest{0: 'w', 1: 'h', 2: 'o', 3: 'l', 4: 'e'} }

// A Dir is one directory that is built aside.
type Dir struct {
	Key   protocol.Key
	Final string // the name that it will have
	Temp  string // where it is built
	// Old is where an earlier attempt built it; empty if none did.
	Old string
}

// Place returns where final lies now, which is the directory or below it.
func (d *Dir) Place(final string) string { return d.Temp + final[len(d.Final):] }

// Earlier returns where an earlier attempt left final; empty if none did.
func (d *Dir) Earlier(final string) string {
	if d.Old == "" {
		return ""
	}
	return d.Old + final[len(d.Final):]
}

// A Set is what one attempt builds aside. It is not safe for concurrent use.
type Set struct {
	list      []*Dir
	byFinal   map[string]*Dir
	published map[string]bool
}

// New returns an empty set.
func New() *Set { return &Set{byFinal: make(map[string]*Dir), published: make(map[string]bool)} }

// Add begins a directory.
func (s *Set) Add(d Dir) {
	s.list = append(s.list, &d)
	s.byFinal[d.Final] = &d
}

// All returns the directories in the order in which they were added.
func (s *Set) All() []*Dir { return s.list }

// Holder returns the directory that final is, or is below; nil for none.
func (s *Set) Holder(final string) *Dir {
	if len(s.list) == 0 {
		return nil
	}
	if last := s.list[len(s.list)-1]; holds(last.Final, final) {
		return last // items come directory by directory
	}
	for p := final; p != ""; p = above(p) {
		if d := s.byFinal[p]; d != nil {
			return d
		}
	}
	return nil
}

// SetPublished notes that an earlier attempt published the directory final.
func (s *Set) SetPublished(final string) { s.published[final] = true }

// Delivered reports whether final is, or is below, a directory that an earlier
// attempt published.
func (s *Set) Delivered(final string) bool {
	if len(s.published) == 0 {
		return false
	}
	for p := final; p != ""; p = above(p) {
		if s.published[p] {
			return true
		}
	}
	return false
}

// holds reports whether final is dir or below it. A sibling that merely shares
// the prefix is not.
func holds(dir, final string) bool {
	return strings.HasPrefix(final, dir) && (len(final) == len(dir) || final[len(dir)] == '/')
}

// above returns the directory that holds p, "" at the root.
func above(p string) string {
	if d := path.Dir(p); d != "." {
		return d
	}
	return ""
}
