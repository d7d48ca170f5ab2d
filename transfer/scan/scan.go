// Package scan reads a source as a stream of items.
//
//	src, err := scan.Open("/srv/out/*.csv")
//	defer src.Close()
//	for e, err := range src.Items(ctx) {
//		switch {
//		case err != nil && e.Item.Path == "":
//			// the walk has ended
//		case err != nil:
//			// e.Item.Path cannot be sent; the walk goes on
//		case e.Item.Type == mft.ItemFile:
//			err = src.Settle(ctx, e.Identity, time.Now)
//			content, after, err := src.ReadItem(e, buf)
//			// after must equal e.Identity; or, for a file that is too large:
//			f, before, err := src.OpenItem(e)
//			// read; then before and confine.Stamp of f.Stat must
//		}
//	}
//
// What becomes an item:
//
//   - Regular files and directories, wherever they are mounted. Files with
//     several names are as many items.
//   - A symbolic link inside a tree, as a link, when [SafeLink] holds; else it
//     is an error with mft.CodeSymlink. Links are never followed, but for the
//     one that this host's operator named.
//   - Not sockets, devices and named pipes: each is an error with
//     mft.CodeNotRegular.
//   - Not the staging of mft itself ([IsStaging]), and not what has vanished
//     by the time that it is looked at: these are passed over in silence.
//
// A [Lister] tells what is in one directory by a digest, at either end, so that
// trees can be compared before they are walked item by item.
//
// The package does not read content but by ReadItem, decide who may ask for a
// source, or remember what it saw. It holds 1,024 names per level of directories at most,
// however large the tree is.
package scan

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/internal/names"
	"mft.dev/mft/transfer/preserve"
	"mft.dev/mft/trigger/selection"
)

// A Source is one argument of a transfer, opened: a file, a directory, the
// contents of a directory, or what a pattern matches. It is safe for
// concurrent use.
type Source struct {
	// Root is the directory that nothing of the source lies outside of.
	Root *confine.Root
	// Path is what the source was opened by, absolute.
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
	// Choose says what of a tree belongs to the source; nil takes everything. It is
	// asked from the top down, and for nothing below a directory that it does not take.
	Choose selection.Choose
	// Preserve reads what travels of files besides content, mode, times and owner; nil
	// reads nothing.
	Preserve *preserve.Reader

	owned   bool     // Close closes Root
	base    string   // the directory below Root where the walk begins
	file    string   // the only file, a name in base
	name    string   // what the only file is called
	pattern *pattern // nil without one
	owners  names.Names

	// reading is the directory of the last file that ReadItem read.
	reading atomic.Pointer[confine.Dir]
}

// An Entry is an item and where it was found.
type Entry struct {
	Item     mft.Item
	Identity confine.Identity
	// Rel is the path of the item below the source's root.
	Rel string
}

// Open opens the source that this host's operator named by an absolute path.
//
//	/srv/out/a.csv    the file, as a.csv
//	/srv/out          the directory, as out and out/…
//	/srv/out/         what is in it, without the name of the directory
//	/srv/out/*.csv    what the pattern matches, files and directories, if there
//	                  is nothing of that very name
//
// Patterns are those of doublestar, with ** for any number of directories, and
// do match names that begin with a dot. The items of a pattern are named by
// their path below the last directory that was spelled out, so that two
// matches never collide. Symbolic links are followed in what the operator
// spelled out, not in what a pattern found: who may write below a directory
// does not choose what this host sends.
//
// It fails with CodeBadPath for a path or pattern that makes no sense,
// CodeNotFound when nothing is there, CodeNotRegular for a socket, device or
// pipe, and CodePermission.
func Open(path string) (*Source, error) {
	if !filepath.IsAbs(path) || strings.IndexByte(path, 0) >= 0 {
		return nil, refuse(mft.CodeBadPath, path, "the path is not absolute, or has a zero byte")
	}
	if _, err := os.Lstat(path); err != nil && mayBePattern(path, err) {
		return openPattern(path)
	}
	fi, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, refuse(confine.CodeFor(err), path, "%w", withoutPath(err))
	case fi.IsDir():
		root, err := confine.Open(path)
		if err != nil {
			return nil, err
		}
		s := &Source{Root: root, Path: path, Follow: true, owned: true}
		if name := filepath.Base(path); !wantsContents(path) {
			s.Prefix = name
		}
		return s, nil
	case fi.Mode().IsRegular():
		return openSingle(path)
	}
	return nil, refuse(mft.CodeNotRegular, path, "it is not a regular file")
}

// openSingle opens a file that exists.
func openSingle(path string) (*Source, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, refuse(confine.CodeFor(err), path, "%w", withoutPath(err))
	}
	root, err := confine.Open(filepath.Dir(real))
	if err != nil {
		return nil, err
	}
	return &Source{
		Root: root, Path: path, Follow: true, Single: true, owned: true,
		file: filepath.Base(real), name: filepath.Base(path),
	}, nil
}

// openPattern opens what an absolute pattern matches.
func openPattern(path string) (*Source, error) {
	base, pat, err := splitPattern(filepath.ToSlash(path))
	if err != nil {
		return nil, refuse(mft.CodeBadPath, path, "%w", err)
	}
	root, err := confine.Open(filepath.FromSlash(base))
	if err != nil {
		return nil, err
	}
	s := &Source{Root: root, Path: path, Follow: true, owned: true, pattern: pat}
	if err := s.matchesSomething(); err != nil {
		root.Close()
		return nil, err
	}
	return s, nil
}

// OpenUnder opens the source rel below root for somebody who may be a
// stranger: it never leads out of root, and no symbolic link is followed, not
// even one that rel names. The forms of rel are those of Open, relative and
// with slashes; "" and "." are the directory root by its own name, "./" is
// what is in it. Patterns are those of Open.
//
// The root stays the caller's, Close leaves it open. Errors are those of Open,
// and CodeSymlink.
func OpenUnder(root *confine.Root, rel string) (*Source, error) {
	clean, contents := strings.CutSuffix(rel, "/")
	if clean == "." || rel == "" {
		clean = ""
	} else if clean == "" {
		return nil, refuse(mft.CodeBadPath, rel, "the path is not relative")
	}
	s := &Source{Root: root, Path: under(root, rel), base: clean}
	fi, err := root.Lstat(clean)
	switch {
	case err != nil && mayBePattern(rel, err):
		if s.base, s.pattern, err = splitPattern(rel); err != nil {
			return nil, refuse(mft.CodeBadPath, s.Path, "%w", err)
		}
		if err := s.matchesSomething(); err != nil {
			return nil, err
		}
		return s, nil
	case err != nil:
		return nil, err
	}
	id := confine.Stamp(fi)
	switch {
	case id.IsDir():
		s.Prefix = s.base[strings.LastIndexByte(s.base, '/')+1:]
		if contents {
			s.Prefix = ""
		} else if s.base == "" && !wantsContents(root.Path()) {
			s.Prefix = filepath.Base(root.Path())
		}
		return s, nil
	case contents && id.IsRegular():
		return nil, refuse(mft.CodeWrongType, s.Path, "it is not a directory")
	}
	if err := s.only(clean, id); err != nil {
		return nil, err
	}
	s.name, s.Single = s.file, true
	return s, nil
}

// OpenExact opens the file rel below root for what already knows its name: no
// character in it makes it a pattern, and the item has rel as its path, so
// that files of several directories never collide. Otherwise it is like
// OpenUnder; a directory is CodeWrongType.
func OpenExact(root *confine.Root, rel string) (*Source, error) {
	fi, err := root.Lstat(rel)
	if err != nil {
		return nil, err
	}
	s := &Source{Root: root, Path: under(root, rel), name: rel}
	id := confine.Stamp(fi)
	if id.IsDir() {
		return nil, refuse(mft.CodeWrongType, s.Path, "it is a directory")
	}
	if err := s.only(rel, id); err != nil {
		return nil, err
	}
	return s, nil
}

// only makes s the source of the file rel, which is no directory, if that may
// be sent.
func (s *Source) only(rel string, id confine.Identity) error {
	if id.IsSymlink() {
		return refuse(mft.CodeSymlink, s.Path, "it is a symbolic link")
	}
	if !id.IsRegular() {
		return refuse(mft.CodeNotRegular, s.Path, "it is not a regular file")
	}
	i := strings.LastIndexByte(rel, '/')
	s.base, s.file = rel[:max(i, 0)], rel[i+1:]
	return nil
}

// under returns the absolute path of rel.
func under(root *confine.Root, rel string) string {
	return strings.TrimSuffix(root.Path(), "/") + "/" + rel
}

// choice returns what becomes of what is at a place.
func (s *Source) choice(at place, id *confine.Identity) selection.Choice {
	if s.Choose == nil {
		return selection.Taken
	}
	return s.Choose(at.sub(), id)
}

// OpenItem opens the file of an entry for reading and returns what it is now,
// to be compared with e.Identity, and again with what it is after reading. It
// fails with CodeNotRegular or CodeSymlink when something else took its place.
func (s *Source) OpenItem(e Entry) (*os.File, confine.Identity, error) {
	f, fi, err := s.Root.OpenFile(e.Rel)
	if err != nil {
		return nil, confine.Identity{}, err
	}
	return f, confine.Stamp(fi), nil
}

// ReadItem reads the file of an entry into buf and returns what was read and
// what the file is after reading, to be compared with e.Identity: see
// [confine.Dir.ReadSmall] for what that proves, and for why Settle must come
// before. Give buf the length of the file. Errors are those of OpenItem.
//
// Files that lie in one directory are read from there one after the other,
// without looking for it again. If that was renamed meanwhile, the file that
// is read is still the one that was announced, or is looked for under its path.
func (s *Source) ReadItem(e Entry, buf []byte) ([]byte, confine.Identity, error) {
	i := strings.LastIndexByte(e.Rel, '/')
	rel, name := e.Rel[:max(i, 0)], e.Rel[i+1:]
	if dir := s.reading.Load(); dir != nil && dir.Rel() == rel {
		if content, id, err := dir.ReadSmall(name, buf); err == nil && id == e.Identity {
			return content, id, nil
		}
	}
	dir, err := s.Root.Dir(rel)
	if err != nil {
		return nil, confine.Identity{}, err
	}
	s.reading.Store(dir)
	return dir.ReadSmall(name, buf)
}

// Close closes the root if Open made it.
func (s *Source) Close() error {
	if !s.owned {
		return nil
	}
	return s.Root.Close()
}

// IsStaging reports whether name is one that mft gives to the directories of
// unfinished transfers: .mft-*.part.
func IsStaging(name string) bool {
	return strings.HasPrefix(name, ".mft-") && strings.HasSuffix(name, ".part")
}

// wantsContents reports whether path names a directory for what is in it: by
// a slash, or because it gives no name.
func wantsContents(path string) bool {
	if path == "" || os.IsPathSeparator(path[len(path)-1]) {
		return true
	}
	// filepath.Base does not clean before it looks.
	name := filepath.Base(path)
	return name == "." || name == ".." || name == filepath.VolumeName(path)
}

// refuse makes an error about the path of a source.
func refuse(code mft.Code, path, format string, args ...any) error {
	return mft.Fail(code, "open source", path, fmt.Errorf(format, args...))
}

// withoutPath returns what the operating system said, without the path that
// is said elsewhere.
func withoutPath(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
