package scan

import (
	"errors"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
)

// Again returns the entry of a file as the file is now, for one that changed
// after it was found. It fails with CodeNotFound when the file has vanished
// and CodeNotRegular or CodeSymlink when something else took its place.
func (s *Source) Again(e Entry) (Entry, error) {
	fi, err := s.Root.Lstat(e.Rel)
	if err != nil {
		return Entry{}, err
	}
	id := confine.Stamp(fi)
	switch {
	case id.IsSymlink():
		return Entry{}, mft.Fail(mft.CodeSymlink, "read", e.Item.Path, errors.New("it has become a symbolic link"))
	case !id.IsRegular():
		return Entry{}, mft.Fail(mft.CodeNotRegular, "read", e.Item.Path, errors.New("it is no longer a regular file"))
	}
	it := &e.Item
	it.Size, it.Mode, it.MTime, it.UID, it.GID = id.Size, id.Perm(), id.MTime, id.UID, id.GID
	it.Owner, it.Group = s.owners.Of(id.UID, id.GID)
	e.Identity, it.Extended = id, ""
	return s.extend(e)
}
