// Package owner maps the owners of items to those of this host.
//
// It refuses to give files away without privileges: then everything belongs to
// the user that runs mft.
package owner

import (
	"os"
	"os/user"
	"strconv"

	"mft.dev/mft"
)

// A Map maps the owner of an item to one of this host: by name where the name
// is known here, else by number. It remembers names that it has looked up. It
// is not safe for concurrent use.
type Map struct {
	privileged bool
	uids, gids map[string]int
}

// maxOwners bounds how many names are remembered.
const maxOwners = 1024

// New returns a map for the user that runs mft.
func New() *Map {
	return &Map{privileged: os.Geteuid() == 0, uids: make(map[string]int), gids: make(map[string]int)}
}

// Privileged reports whether files can be given away.
func (o *Map) Privileged() bool { return o.privileged }

// Of returns the owner to set, -1 for leaving it alone.
func (o *Map) Of(it *mft.Item) (uid, gid int) {
	if !o.privileged {
		return -1, -1
	}
	uid = lookup(o.uids, it.Owner, int(it.UID), func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
	gid = lookup(o.gids, it.Group, int(it.GID), func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
	return uid, gid
}

func lookup(known map[string]int, name string, number int, find func(string) (string, error)) int {
	if name == "" {
		return number
	}
	if id, ok := known[name]; ok {
		if id < 0 {
			return number
		}
		return id
	}
	id := -1
	if s, err := find(name); err == nil {
		if n, err := strconv.Atoi(s); err == nil {
			id = n
		}
	}
	if len(known) >= maxOwners {
		clear(known)
	}
	known[name] = id
	if id < 0 {
		return number
	}
	return id
}
