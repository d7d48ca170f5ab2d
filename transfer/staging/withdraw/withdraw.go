// Package withdraw takes back what was delivered only to show that it can be: a canary,
// see mft.CanaryName.
//
// It refuses to remove what its transfer has not delivered, and anything but a regular
// file. Both functions may be run again when it is not known whether they were done.
package withdraw

import (
	"context"
	"path"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/transfer"
)

// File removes a file that was delivered under its final name, durably. That nothing has
// the name any more is no error; for something else than a file it is
// mft.CodeNotRegular.
func File(root *confine.Root, final string) error {
	parent := path.Dir(final)
	if parent == "." {
		parent = ""
	}
	dir, err := root.Dir(parent)
	if err != nil {
		return err
	}
	id, err := dir.Identity(path.Base(final))
	if err == nil && !id.IsRegular() {
		err = mft.Fail(mft.CodeNotRegular, "remove", final, nil)
	}
	if err == nil {
		err = dir.Remove(path.Base(final))
	}
	if err != nil && mft.CodeOf(err) != mft.CodeNotFound {
		return err
	}
	return dir.Sync()
}

// Recovered removes the canary of a transfer, if it is one and the journal says that it
// was delivered.
func Recovered(ctx context.Context, book transfer.Ledger, root *confine.Root, l journal.Landing, id mft.TransferID) error {
	if l.Name != mft.CanaryName(id) {
		return nil
	}
	delivered := false
	err := book.Committed(ctx, func([16]byte, mft.Digest) error {
		delivered = true
		return nil
	})
	if err != nil || !delivered {
		return err
	}
	return File(root, path.Join(l.Dir, l.Name))
}
