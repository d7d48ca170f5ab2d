// Package names knows what the users and groups of this host are called.
package names

import (
	"math"
	"os/user"
	"strconv"
	"sync"
)

// maxNames bounds how many names are remembered of each kind. Those of a tree with more
// owners than that are looked up again from time to time.
const maxNames = 4096

// Names remembers names by their numbers. The zero value is ready. It is safe for
// concurrent use.
type Names struct {
	mu     sync.Mutex
	users  map[uint32]string
	groups map[uint32]string
	last   owned // what was asked for last, most often the next too
}

// owned is an owner and a group by number and by name.
type owned struct {
	known        bool
	uid, gid     uint32
	owner, group string
}

// Of returns the names of a user and a group, empty where unknown.
func (o *Names) Of(uid, gid uint32) (owner, group string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.last.known && o.last.uid == uid && o.last.gid == gid {
		return o.last.owner, o.last.group
	}
	owner, group = o.user(uid), o.group(gid)
	o.last = owned{true, uid, gid, owner, group}
	return owner, group
}

// User returns the name of a user, empty if unknown.
func (o *Names) User(uid uint32) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.user(uid)
}

// Group returns the name of a group, empty if unknown.
func (o *Names) Group(gid uint32) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.group(gid)
}

func (o *Names) user(uid uint32) string {
	return remember(&o.users, uid, func(id string) (string, error) {
		u, err := user.LookupId(id)
		if err != nil {
			return "", err
		}
		return u.Username, nil
	})
}

func (o *Names) group(gid uint32) string {
	return remember(&o.groups, gid, func(id string) (string, error) {
		g, err := user.LookupGroupId(id)
		if err != nil {
			return "", err
		}
		return g.Name, nil
	})
}

// remember returns the name of id from the map, or looks it up. What cannot be
// found has no name, and that is remembered too.
func remember(known *map[uint32]string, id uint32, lookup func(string) (string, error)) string {
	if id == math.MaxUint32 {
		return "" // nobody: this system has no such numbers
	}
	if name, ok := (*known)[id]; ok {
		return name
	}
	if *known == nil || len(*known) >= maxNames {
		*known = make(map[uint32]string)
	}
	name, err := lookup(strconv.FormatUint(uint64(id), 10))
	if err != nil {
		name = ""
	}
	(*known)[id] = name
	return name
}
