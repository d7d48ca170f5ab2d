// Package publish gives staged items their final names, and tells the journal
// which have them. It is what a commit and the recovery from a crash share:
// each of its functions may be run again when it is not known whether it was
// done.
//
// It refuses to decide when: see [mft.dev/mft/transfer/staging.Area.Commit] for the order.
package publish

import (
	"encoding/binary"
	"encoding/hex"
	"path"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/transfer/staging/versions"
)

// Entry gives one item its final name by its policy, or finds that it had it
// already. A directory, which was built aside, replaces nothing: when there is
// one, the error has code mft.CodeRaced. Others are those of confine.Root.Rename.
//
// With the digest of MoveMark nothing was staged: the temporary name is that
// of a file or directory of the destination, which is renamed if it still is
// the one that was seen, and replaces nothing.
//
// shelf takes what is replaced under mft.OverwriteBounded; see Shelf.
func Entry(root *confine.Root, shelf *versions.Shelf, e *journal.Entry) error {
	if inode, ok := Moved(e.Digest); ok {
		return move(root, e, inode)
	}
	if e.Type == mft.ItemDir {
		return directory(root, e)
	}
	mode := confine.RenameReplace
	switch e.Overwrite {
	case mft.OverwriteNever:
		mode = confine.RenameNoReplace
	case mft.OverwriteVersion:
		if err := versions.Unbounded(root, e.Final); err != nil {
			return err
		}
	case mft.OverwriteBounded:
		if err := shelf.SetAside(e.Final); err != nil {
			return err
		}
	}
	err := root.Rename(e.Temp, e.Final, mode)
	if err != nil && !StillThere(root, e.Temp) {
		return nil
	}
	return err
}

// moveMark begins the digest of what was not delivered but renamed.
const moveMark = "renamed at the destination"

// MoveMark is the digest that the journal has of an item that was found under
// another name, where it had this inode.
func MoveMark(inode uint64) (d mft.Digest) {
	copy(d[:], moveMark[:24])
	binary.BigEndian.PutUint64(d[24:], inode)
	return d
}

// Moved reports whether a digest is one of MoveMark, and of which inode.
func Moved(d mft.Digest) (inode uint64, ok bool) {
	return binary.BigEndian.Uint64(d[24:]), string(d[:24]) == moveMark[:24]
}

func move(root *confine.Root, e *journal.Entry, inode uint64) error {
	fi, err := root.Lstat(e.Temp)
	if mft.CodeOf(err) == mft.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if confine.Stamp(fi).Inode != inode {
		return nil // another one: that was renamed, and this came after it
	}
	return root.Rename(e.Temp, e.Final, confine.RenameNoReplace)
}

// Shelf returns the shelf for the entries of a batch.
func Shelf(root *confine.Root, entries []journal.Entry) *versions.Shelf {
	var finals []string
	for i := range entries {
		if entries[i].Overwrite == mft.OverwriteBounded {
			finals = append(finals, entries[i].Final)
		}
	}
	return versions.NewShelf(root, finals...)
}

// Settled is what the journal is told of batch n, of which only the good entries
// took their final names when some were refused; nil for batch 0, which is none.
func Settled(n int64, good []journal.Entry, some bool) *ledger.Settled {
	switch {
	case n == 0:
		return nil
	case !some:
		return &ledger.Settled{Batch: n}
	}
	return &ledger.Settled{Batch: n, Some: true, Good: good}
}

// directory gives a directory that was built aside its final name. When
// another one has been made there meanwhile, the attempt has failed, and the
// next one delivers into that.
func directory(root *confine.Root, e *journal.Entry) error {
	err := root.Rename(e.Temp, e.Final, confine.RenameNoReplace)
	if err != nil && !StillThere(root, e.Temp) {
		return nil
	}
	if mft.CodeOf(err) == mft.CodeExists {
		err = mft.Fail(mft.CodeRaced, "publish", e.Final, err)
	}
	return err
}

// StillThere reports whether a temporary name exists. When that cannot be
// found out it says yes, so that nothing is taken for delivered by mistake.
func StillThere(root *confine.Root, temp string) bool {
	_, err := root.Lstat(temp)
	return mft.CodeOf(err) != mft.CodeNotFound
}

// FinalDirs returns the directories that hold the final names of entries.
func FinalDirs(entries []journal.Entry) map[string]bool {
	dirs := make(map[string]bool)
	for i := range entries {
		dirs[DirOf(entries[i].Final)] = true
	}
	return dirs
}

// SyncDirs makes durable what was renamed in directories. One that is gone has nothing left to lose: a
// consumer took it away with what was in it.
func SyncDirs(root *confine.Root, dirs map[string]bool) error {
	for dir := range dirs {
		d, err := root.Dir(dir)
		if err == nil {
			err = d.Sync()
		}
		if err != nil && mft.CodeOf(err) != mft.CodeNotFound {
			return err
		}
	}
	return nil
}

// DirOf is path.Dir with "" for the landing's root itself.
func DirOf(p string) string {
	if d := path.Dir(p); d != "." {
		return d
	}
	return ""
}

// Staging is the name of the directories that hold what has not been delivered
// yet of a transfer. It begins with a dot and ends in .part so that people and
// programs know to leave it alone.
func Staging(id mft.TransferID) string { return ".mft-" + hex.EncodeToString(id[:]) + ".part" }

// ItemLevel reports whether an error concerns one item and not the transfer:
// another name could still be delivered.
func ItemLevel(err error) bool {
	switch mft.CodeOf(err) {
	case mft.CodeBadPath, mft.CodePermission, mft.CodeNameTooLong, mft.CodeTooLarge, mft.CodeExists, mft.CodeNotFound,
		mft.CodeNotRegular, mft.CodeWrongType, mft.CodeSymlink, mft.CodeRootSetID, mft.CodeUnpreserved:
		return true
	}
	return false
}
