// Package scan reads a source as a stream of items.
//
//	src, err := scan.Open("/srv/out/*.csv")
//	defer src.Close()
//	for e, err := range src.Items(ctx) {
//		// err with e.Item.Path: this item cannot be sent, the walk goes on
//		// err without a path: the walk has ended
//	}
//
// It does not read content, decide who may ask for a source, or remember what
// it saw.
package scan

import (
	"context"
	"errors"
	"iter"
	"os"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
)

// A Source is one argument of a transfer, opened: a file, a directory, the
// contents of a directory, or what a pattern matches. It is safe for
// concurrent use.
type Source struct {
	// Root is the directory that nothing of the source lies outside of.
	Root *confine.Root
	// Path is what the source was opened by.
	Path string
	// Prefix is the first component of every item's path: the name of the
	// directory. It is empty for a file, the contents of a directory and a
	// pattern.
	Prefix string
	// Follow is set when the path was the word of this host's operator: a
	// symbolic link that it named was followed.
	Follow bool
	// Single is set when the source is one file, so that it may be given
	// another name at the destination; see mft.Offer.
	Single bool
}

// An Entry is an item and where it was found.
type Entry struct {
	Item     mft.Item
	Identity confine.Identity
	// Rel is the path below the source's root.
	Rel string
}

// Open opens the source that this host's operator named by an absolute path.
func Open(path string) (*Source, error) { return nil, errors.ErrUnsupported }

// OpenUnder opens the source rel below root, which stays the caller's: Close
// leaves it open. No symbolic link is followed.
func OpenUnder(root *confine.Root, rel string) (*Source, error) {
	return nil, errors.ErrUnsupported
}

// Items walks the source, parents before children.
func (s *Source) Items(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {}
}

// OpenItem opens the file of an entry for reading and returns what it is now,
// to be compared with e.Identity.
func (s *Source) OpenItem(e Entry) (*os.File, confine.Identity, error) {
	return nil, confine.Identity{}, errors.ErrUnsupported
}

// Settle waits until a change of the file described by id could no longer go
// unnoticed.
func (s *Source) Settle(ctx context.Context, id confine.Identity, now func() time.Time) error {
	return errors.ErrUnsupported
}

// Close closes the root when Open made it.
func (s *Source) Close() error { return errors.ErrUnsupported }

// SafeLink reports whether a symbolic link at itemPath that points to target
// stays inside the tree that itemPath is relative to, whatever other safe
// links there are in the tree.
func SafeLink(itemPath, target string) bool { return false }

// IsStaging reports whether name is one that mft gives to directories of
// unfinished transfers: .mft-*.part.
func IsStaging(name string) bool { return false }
