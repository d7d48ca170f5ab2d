// Package owner maps the owners of items to those of this host, and says which of their
// setuid and setgid bits are kept.
//
// It refuses to give files away without privileges: then everything belongs to
// the user that runs mft.
package owner

import (
	"fmt"
	"math"
	"os"
	"os/user"
	"strconv"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// A Map maps the owner of an item to one of this host: by name where the name
// is known here, else by number. It remembers names that it has looked up. It
// is not safe for concurrent use.
type Map struct {
	privileged bool
	// keep keeps setuid, setgid and sticky bits, root also those of what belongs to root.
	keep, root bool
	uids, gids map[string]int
}

// maxOwners bounds how many names are remembered.
const maxOwners = 1024

// New returns a map for the user that runs mft, with what a landing allows.
func New(l journal.Landing) *Map {
	return &Map{privileged: os.Geteuid() == 0, keep: l.AllowSetID, root: l.AllowRootSetID, uids: make(map[string]int), gids: make(map[string]int)}
}

// Privileged reports whether files can be given away.
func (o *Map) Privileged() bool { return o.privileged }

// Of returns the owner to set, -1 for leaving it alone. What keeps a setuid or
// setgid bit is never left alone: which group a new file has, its directory or its
// file system may decide, and Check has to know.
func (o *Map) Of(it *mft.Item) (uid, gid int) {
	uid, gid = -1, -1
	if o.privileged {
		uid, gid = o.User(it.Owner, it.UID), o.Group(it.Group, it.GID)
	}
	if it.Type == mft.ItemFile && o.Mode(it)&(setuid|setgid) != 0 {
		if uid < 0 {
			uid = os.Geteuid()
		}
		if gid < 0 {
			gid = os.Getegid()
		}
	}
	return uid, gid
}

// User returns the number here of a user with a name and a number on another host, negative
// for nobody.
func (o *Map) User(name string, number uint32) int {
	return lookup(o.uids, name, number, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
}

// Group is User for a group.
func (o *Map) Group(name string, number uint32) int {
	return lookup(o.gids, name, number, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
}

// Bits of a mode, in Unix encoding.
const setuid, setgid = 0o4000, 0o2000

// Mode returns the mode to set.
func (o *Map) Mode(it *mft.Item) uint32 {
	if o.keep {
		return it.Mode & 0o7777
	}
	return it.Mode & 0o777
}

// Check refuses a file that with its setuid or setgid bit would give the rights of root
// or its group to whoever runs it, as the owners are mapped here, unless that is allowed.
// The error is mft.CodeRootSetID.
func (o *Map) Check(it *mft.Item) error {
	if !o.keep || o.root || it.Type != mft.ItemFile || it.Mode&(setuid|setgid) == 0 {
		return nil
	}
	uid, gid := o.Of(it)
	if it.Mode&setuid != 0 && uid == 0 || it.Mode&setgid != 0 && gid == 0 {
		return mft.Fail(mft.CodeRootSetID, "take", it.Path, fmt.Errorf("with mode %04o it would belong to user %d and group %d here", it.Mode, uid, gid))
	}
	return nil
}

// lookup returns the number here of a name, or that of the sender. The greatest number is
// that of nobody, on systems without such numbers; to a system call it means that the owner
// stays, which is what it becomes here.
func lookup(known map[string]int, name string, number uint32, find func(string) (string, error)) int {
	sent := int(number)
	if number == math.MaxUint32 {
		sent = -1
	}
	if name == "" {
		return sent
	}
	if id, ok := known[name]; ok {
		if id < 0 {
			return sent
		}
		return id
	}
	id := -1
	if s, err := find(name); err == nil {
		if n, err := strconv.ParseUint(s, 10, 32); err == nil && n != math.MaxUint32 {
			id = int(n)
		}
	}
	if len(known) >= maxOwners {
		clear(known)
	}
	known[name] = id
	if id < 0 {
		return sent
	}
	return id
}
