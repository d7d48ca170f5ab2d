package content

import (
	"errors"

	"mft.dev/mft"
)

// Symlinks is an mft.Symlinks.
type Symlinks mft.Symlinks

// ReadText implements strict.Leaf.
func (v *Symlinks) ReadText(s string) error {
	switch *v = Symlinks(s); mft.Symlinks(s) {
	case mft.SymlinksCopy, mft.SymlinksSkip, mft.SymlinksRefuse:
		return nil
	}
	return errors.New("want copy, skip or refuse")
}

// Schema implements strict.Leaf.
func (*Symlinks) Schema() map[string]any {
	return map[string]any{"enum": []any{string(mft.SymlinksCopy), string(mft.SymlinksSkip), string(mft.SymlinksRefuse)}}
}
