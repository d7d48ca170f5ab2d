package staging

import (
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
)

// publish gives one item its final name, or finds that it had it already.
func publish(root *confine.Root, e *journal.Entry) error {
	if e.Type == mft.ItemDir {
		return publishAside(root, e)
	}
	mode := confine.RenameReplace
	switch e.Overwrite {
	case mft.OverwriteNever:
		mode = confine.RenameNoReplace
	case mft.OverwriteVersion:
		if err := setAside(root, e.Final); err != nil {
			return err
		}
	}
	err := root.Rename(e.Temp, e.Final, mode)
	if err != nil && !stillThere(root, e.Temp) {
		return nil
	}
	return err
}

// maxVersions bounds the search for a free version name.
const maxVersions = 100_000

// setAside renames what is at final to the first free NAME.~N~.
func setAside(root *confine.Root, final string) error {
	for n := 1; n <= maxVersions; n++ {
		err := root.Rename(final, fmt.Sprintf("%s.~%d~", final, n), confine.RenameNoReplace)
		switch {
		case err == nil, notThere(err):
			return nil
		case mft.CodeOf(err) != mft.CodeExists:
			return err
		}
	}
	return mft.Fail(mft.CodeExists, "keep the version of", final, fmt.Errorf("%d versions are there", maxVersions))
}

// journalCommit journals COMMITTED for batch n, of which only the good entries
// took their final names when some were refused.
func journalCommit(tx *journal.Tx, id mft.TransferID, n int64, good []journal.Entry, some bool) error {
	if n == 0 {
		return nil
	}
	if !some {
		return tx.Commit(id, n)
	}
	if err := tx.Drop(id, n); err != nil || len(good) == 0 {
		return err
	}
	n, err := tx.Prepare(id, good)
	if err != nil {
		return err
	}
	return tx.Commit(id, n)
}
