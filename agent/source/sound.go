package source

import (
	"errors"
	"path/filepath"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/trigger"
	"mft.dev/mft/trigger/selection"
)

// PlaceOf returns where the sources of a channel lie, the root being that of this host. A
// mirror has the rules that keep markers out of it, and never begins at what is empty.
func PlaceOf(ch mft.Channel, root string) Place {
	p := Place{Channel: root, Select: ch.Select, Guard: ch.Guard}
	if ch.Mirror.On {
		p.Select.Rules, p.Guard.NotEmpty = trigger.MirrorRules(ch), true
	}
	return p
}

// Sound looks whether the directory of a channel is what its guard demands, but for the
// command. Errors: mft.CodeNotMounted, mft.CodeEmptySource when there is nothing in it that
// would move, those of confine and of trigger.Chosen.
func Sound(p Place, now time.Time) error {
	if !p.Guard.MountPoint && !p.Guard.NotEmpty {
		return nil
	}
	chosen, err := trigger.Chosen(p.Select)
	if err != nil {
		return err
	}
	dir, err := confine.Open(p.Channel)
	if err != nil {
		return err
	}
	defer dir.Close()
	if p.Guard.MountPoint {
		if err := mounted(dir, p.Channel); err != nil {
			return err
		}
	}
	if !p.Guard.NotEmpty {
		return nil
	}
	return notEmpty(dir, p.Channel, chosen.Choose(now))
}

// mounted looks whether a file system begins at a directory.
func mounted(dir *confine.Root, at string) error {
	above, err := confine.Open(filepath.Dir(at))
	if err != nil {
		return err
	}
	defer above.Close()
	here, err := dir.Lstat("")
	if err != nil {
		return err
	}
	there, err := above.Lstat("")
	if err != nil {
		return err
	}
	if id, up := confine.Stamp(here), confine.Stamp(there); id.Dev == up.Dev && id.Inode != up.Inode {
		return mft.Fail(mft.CodeNotMounted, "look at the source", at, errors.New("no file system is mounted there"))
	}
	return nil
}

func notEmpty(dir *confine.Root, at string, choose selection.Choose) error {
	found := errors.New("something is there")
	err := dir.List("", func(name []byte, id *confine.Identity, _ []byte) error {
		if !scan.IsStaging(string(name)) && choose(string(name), id) != selection.Out {
			return found
		}
		return nil
	})
	switch {
	case errors.Is(err, found):
		return nil
	case err != nil:
		return err
	}
	return mft.Fail(mft.CodeEmptySource, "look at the source", at, errors.New("there is nothing in it that the channel would send"))
}
