package scan

import (
	"math"
	"os/user"
	"strconv"
	"sync"
)

// maxOwners bounds how many names are remembered. A tree with more owners
// than that is looked up again from time to time.
const maxOwners = 4096

// owners remembers the names of users and groups. The zero value is ready.
type owners struct {
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

// names returns the names of a user and a group, empty where unknown.
func (o *owners) names(uid, gid uint32) (owner, group string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.last.known && o.last.uid == uid && o.last.gid == gid {
		return o.last.owner, o.last.group
	}
	owner = remember(&o.users, uid, func(id string) (string, error) {
		u, err := user.LookupId(id)
		if err != nil {
			return "", err
		}
		return u.Username, nil
	})
	group = remember(&o.groups, gid, func(id string) (string, error) {
		g, err := user.LookupGroupId(id)
		if err != nil {
			return "", err
		}
		return g.Name, nil
	})
	o.last = owned{true, uid, gid, owner, group}
	return owner, group
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
	if *known == nil || len(*known) >= maxOwners {
		*known = make(map[uint32]string)
	}
	name, err := lookup(strconv.FormatUint(uint64(id), 10))
	if err != nil {
		name = ""
	}
	(*known)[id] = name
	return name
}
