package scan

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/internal/blake3"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/internal/names"
	"mft.dev/mft/internal/siphash"
	"mft.dev/mft/transfer/look"
	"mft.dev/mft/trigger/selection"
)

// A Listing is what is directly in one directory, told in few words, so that
// two hosts can find out whether they have the same.
type Listing struct {
	// Count is how many entries make the digest, and the sum of the sizes of
	// the files among them.
	mft.Count
	// Digest is the sum of the digests of the entries, in two lanes of 64
	// bits, little-endian. That of an empty directory is zero.
	Digest [16]byte
	// Dirs are the names of the directories among the entries, sorted.
	Dirs []string
	// Unfit is how many things are there that cannot travel: sockets,
	// devices, pipes, links that lead out of the tree, and what would have a
	// path that is too long. They are neither in Count nor in Digest.
	Unfit int64
}

// A Lister makes listings of directories that are equal when, as far as the
// fields say, the directories are. Both hosts must set the fields alike. It
// keeps its buffers and the names of owners, so use one for many directories,
// but only for one at a time.
type Lister struct {
	// Salt makes the key of the digests. Who knows it can make two entries
	// that have one digest: take a value that is random for each attempt, and
	// tell it to the other host only.
	Salt [16]byte
	// Modes are the permission bits that count, of 07777.
	Modes uint32
	// Owners says whether owner and group count: by name, or by number when
	// that has no name on the host.
	Owners bool
	// Dirs says whether mode, time and owner of a directory count, and not
	// only that there is one. The setgid bit of a directory never counts: it
	// may be inherited.
	Dirs bool

	known  names.Names
	owned  encodedOwner
	keyed  siphash.Key // made from the salt of
	salted [16]byte
	ready  bool     // and is there
	prints []uint64 // of what the last look has
	entry  []byte   // the encoding of the last entry
	names  []byte   // of the directories found, one after the other
	ends   []int    // where in names each of them ends
}

// An encodedOwner is what an owner and a group add to an entry.
type encodedOwner struct {
	uid, gid uint32
	encoding []byte // empty for nobody
}

// keyLabel makes the key of the digests from the salt. Let the label change with
// what a listing is made of: hosts of two versions then find nothing to be the
// same, and compare item by item.
const keyLabel = "mft listing 2\x00"

// List lists the directory rel below root, which as an item has the given path,
// "" for a directory without a name, and lies so many directories deep below
// what is the top for [SafeLink].
//
// Of an entry counts: name and type; size, mode and time of modification of a
// file; mode and time of a directory, if Dirs is set; target of a link; and the
// owner. Staging directories and what vanishes are passed over. The digest is
// the sum over the entries, modulo 2^64 in each lane, of what package siphash
// makes of [Lister.encode] of the entry, with the first 16 bytes of BLAKE3 of
// keyLabel and Salt for a key. It needs no order, so that a huge directory is
// neither sorted nor held in memory; only the names of directories are.
//
// That is sound because SipHash with a key that nobody knows is as good as a
// random function, and the names in a directory differ, so that no two entries
// do not: of two different directories, whoever may have made the files, the
// sums are then two numbers of 128 bits that are drawn anew with each salt.
//
// It fails as [confine.Root.List] does, and with CodeCancelled when ctx is
// done.
func (l *Lister) List(ctx context.Context, root *confine.Root, rel, path string, depth int) (Listing, error) {
	return l.list(ctx, path, depth, nil, nil, func(v confine.Visit) error { return root.List(rel, v) })
}

// list is List for a directory that through lists. What it sees is added to
// seen, unless that is nil; choose says what counts, all if it is nil.
func (l *Lister) list(ctx context.Context, path string, depth int, choose func(name []byte, id *confine.Identity) selection.Choice, seen *look.Look, through func(confine.Visit) error) (Listing, error) {
	var out Listing
	var low, high uint64
	l.names, l.ends, l.prints = l.names[:0], l.ends[:0], l.prints[:0]
	room := maxPath - after(path)
	err := through(func(name []byte, id *confine.Identity, target []byte) error {
		if out.Items%64 == 0 && ctx.Err() != nil {
			return mft.Fail(mft.CodeCancelled, "list", path, context.Cause(ctx))
		}
		if name[0] == '.' && IsStaging(string(name)) {
			return nil
		}
		choice := selection.Taken
		if choose != nil {
			choice = choose(name, id)
		}
		if choice == selection.Out {
			return nil
		}
		if seen != nil && seen.Whole() {
			_ = seen.Add(name, id, target) // Whole tells
		}
		kind := kindOf(id)
		if choice != selection.Taken || !fits(kind, name, target, room, depth) {
			out.Unfit++
			return nil
		}
		out.Items++
		switch kind {
		case mft.ItemFile:
			out.Bytes += id.Size
		case mft.ItemDir:
			l.names = append(l.names, name...)
			l.ends = append(l.ends, len(l.names))
		}
		a, b := l.print(kind, name, id, target)
		if low, high = low+a, high+b; seen != nil && seen.Whole() {
			l.prints = append(l.prints, a)
		}
		return nil
	})
	if err != nil {
		return Listing{}, err
	}
	out.Digest = Digest(low, high)
	out.Dirs = l.dirs()
	return out, nil
}

// Digest is the digest of entries whose lanes have these sums.
func Digest(low, high uint64) (d [16]byte) {
	binary.LittleEndian.PutUint64(d[:], low)
	binary.LittleEndian.PutUint64(d[8:], high)
	return d
}

// fits reports whether something travels that lies so many directories deep, in
// one below whose path there is room for a name.
func fits(kind mft.ItemType, name, target []byte, room, depth int) bool {
	return kind != 0 && len(name) <= room && (kind != mft.ItemSymlink || staysBelow(target, depth))
}

// Prints are the lower lanes of what [Source.ListInto] added to its last look, in
// the order in which it did, when nothing of that was unfit. They are valid until the
// next listing.
func (l *Lister) Prints() []uint64 { return l.prints }

// Print returns what an entry adds to the two lanes of the digest; zero for what
// no listing has.
func (l *Lister) Print(name []byte, id *confine.Identity, target []byte) (low, high uint64) {
	kind := kindOf(id)
	if kind == 0 {
		return 0, 0
	}
	return l.print(kind, name, id, target)
}

func (l *Lister) print(kind mft.ItemType, name []byte, id *confine.Identity, target []byte) (low, high uint64) {
	if !l.ready || l.salted != l.Salt {
		l.keyed, l.salted, l.ready = l.key(), l.Salt, true
	}
	l.entry = l.encode(l.entry[:0], kind, name, id, target)
	return l.keyed.Sum(l.entry)
}

// key makes the key of the digests.
func (l *Lister) key() siphash.Key {
	var in [len(keyLabel) + len(l.Salt)]byte
	copy(in[copy(in[:], keyLabel):], l.Salt[:])
	sum := blake3.Sum(in[:])
	return siphash.New((*[16]byte)(sum[:16]))
}

// kindOf returns the type of item that something is, 0 for what does not
// travel.
func kindOf(id *confine.Identity) mft.ItemType {
	switch {
	case id.IsRegular():
		return mft.ItemFile
	case id.IsDir():
		return mft.ItemDir
	case id.IsSymlink():
		return mft.ItemSymlink
	}
	return 0
}

// encode appends what counts of an entry: type u8; unless it is a link, or a
// directory while Dirs is not set, mode u16 and time i64; of a file the size
// u64, of a link the target; if they count, owner and group; and the name, to
// the end. Numbers are little-endian. A target is a length u16 and bytes, an
// owner as appendOwner has it. No two entries have the same encoding.
func (l *Lister) encode(b []byte, kind mft.ItemType, name []byte, id *confine.Identity, target []byte) []byte {
	modes, owned := l.Modes, l.Owners
	if kind == mft.ItemDir {
		modes &^= 0o2000
		owned = owned && l.Dirs
	}
	b = append(b, byte(kind))
	if kind == mft.ItemFile || kind == mft.ItemDir && l.Dirs {
		b = binary.LittleEndian.AppendUint16(b, uint16(id.Perm()&modes))
		b = binary.LittleEndian.AppendUint64(b, uint64(id.MTime))
	}
	switch kind {
	case mft.ItemFile:
		b = binary.LittleEndian.AppendUint64(b, uint64(id.Size))
	case mft.ItemSymlink:
		b = binary.LittleEndian.AppendUint16(b, uint16(len(target))) // at most maxTarget
		b = append(b, target...)
	}
	if owned {
		// Most often it is the same as before.
		if o := &l.owned; len(o.encoding) == 0 || o.uid != id.UID || o.gid != id.GID {
			user, group := l.known.Of(id.UID, id.GID)
			o.uid, o.gid = id.UID, id.GID
			o.encoding = appendOwner(appendOwner(o.encoding[:0], user, id.UID), group, id.GID)
		}
		b = append(b, l.owned.encoding...)
	}
	return append(b, name...)
}

// appendOwner appends the length of the name as uvarint and the name, or 0 and
// the number u32 of who has none.
func appendOwner(b []byte, name string, number uint32) []byte {
	b = binary.AppendUvarint(b, uint64(len(name)))
	if name == "" {
		return binary.LittleEndian.AppendUint32(b, number)
	}
	return append(b, name...)
}

// dirs returns the names that were noted, sorted. They share one string.
func (l *Lister) dirs() []string {
	if len(l.ends) == 0 {
		return nil
	}
	all, from := string(l.names), 0
	out := make([]string, len(l.ends))
	for i, end := range l.ends {
		out[i], from = all[from:end], end
	}
	slices.Sort(out)
	return out
}

// List is l.List for the directory that is the item path, or "" for the top of
// a source whose items have no directory in common. The whole of it must be in
// the source: of a source with a pattern that is what the pattern matches and
// what is below. It fails with CodeBadPath for a directory that is not in the
// source, and as l.List does.
func (s *Source) List(ctx context.Context, l *Lister, path string) (Listing, error) {
	return s.ListInto(ctx, l, path, nil, false)
}

// ListInto is List, and adds what it sees to seen, which is empty or nil, as far
// as there is room. watched has seen.Folder set, before the directory is listed.
func (s *Source) ListInto(ctx context.Context, l *Lister, path string, seen *look.Look, watched bool) (Listing, error) {
	sub, ok := s.whole(path)
	if !ok {
		return Listing{}, mft.Fail(mft.CodeBadPath, "list", path, errors.New("it is not a directory of this source"))
	}
	rel := s.base
	if sub != "" {
		rel = joinPath(rel, sub)
	}
	depth := depthOf(sub)
	through := func(v confine.Visit) error { return s.Root.List(rel, v) }
	if seen != nil && watched {
		dir, err := s.Root.Dir(rel)
		if err != nil {
			return Listing{}, err
		}
		through = func(v confine.Visit) error { return seen.Through(dir, v) }
	}
	return l.list(ctx, path, depth, s.chooseIn(sub), seen, through)
}

// chooseIn returns what chooses among what is directly in the directory sub.
func (s *Source) chooseIn(sub string) func(name []byte, id *confine.Identity) selection.Choice {
	if s.Choose == nil {
		return nil
	}
	return func(name []byte, id *confine.Identity) selection.Choice {
		return s.Choose(joinPath(sub, string(name)), id)
	}
}

// depthOf is how many directories deep lies what is in sub, which is below the top
// of the tree.
func depthOf(sub string) int {
	if sub == "" {
		return 0
	}
	return strings.Count(sub, "/") + 1
}

// whole returns the path below the top of the tree of the directory that is the
// item path, and whether all that is in it belongs to the source.
func (s *Source) whole(path string) (sub string, ok bool) {
	sub = path
	if s.Prefix != "" {
		if sub, ok = strings.CutPrefix(path, s.Prefix); !ok || sub != "" && sub[0] != '/' {
			return "", false
		}
		sub = strings.TrimPrefix(sub, "/")
	}
	if s.file != "" || sub == "." { // which the root takes for itself
		return "", false
	}
	if s.pattern == nil {
		return sub, true
	}
	for i := 0; i <= len(sub); i++ {
		if (i == len(sub) || sub[i] == '/') && i > 0 && s.pattern.matches(sub[:i]) {
			return sub, true
		}
	}
	return "", false
}

// ListerFor returns a lister of what counts by basis.
func ListerFor(basis mft.Basis) *Lister {
	modes := uint32(0o777)
	if basis.SetID {
		modes = 0o7777
	}
	return &Lister{Salt: basis.Salt, Modes: modes, Owners: basis.Owners, Dirs: basis.Dirs}
}
