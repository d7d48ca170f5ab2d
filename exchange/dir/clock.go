package dir

import (
	"sync"
	"time"

	"mft.dev/mft/exchange/dir/layout"
	"mft.dev/mft/internal/confine"
)

// measured is how long a measurement of the clock is good for. A host that slept
// meanwhile is behind for no longer than that.
const measured = 15 * time.Second

// A clock tells the time of the storage. The wall clock of this host does not
// count: between two measurements only the difference of local times does.
type clock struct {
	local func() time.Time
	stamp func(root *confine.Root) (time.Time, error)

	mu sync.Mutex
	at time.Time // by the storage, when the local clock said then
	// then has a monotonic reading.
	then time.Time
}

// now returns the time by the clock of the storage. When that cannot be asked,
// as when it is full, the last answer has to do.
func (c *call) now() (time.Time, error) {
	k := c.clock
	k.mu.Lock()
	defer k.mu.Unlock()
	local := k.local()
	passed := local.Sub(k.then)
	if !k.at.IsZero() && passed >= 0 && passed < measured {
		return k.at.Add(passed), nil
	}
	at, err := k.stamp(c.root)
	switch {
	case err == nil:
		k.at, k.then = at, local
	case k.at.IsZero():
		return time.Time{}, err
	}
	return k.at.Add(local.Sub(k.then)), nil
}

// stamp makes a file and looks at what time the storage gave it. Nothing is
// written into it: a host may give what it writes a time of its own.
func (f *folder) stamp(root *confine.Root) (time.Time, error) {
	temp, err := root.Dir(of(f.agent, temporaryDir))
	if err != nil {
		return time.Time{}, err
	}
	name := partPrefix + layout.Token()
	file, err := temp.Create(name)
	if err != nil {
		return time.Time{}, err
	}
	err = file.Close()
	id, e := temp.Identity(name)
	if err == nil {
		err = e
	}
	if e := temp.Remove(name); err == nil {
		err = ignoreMissing(e)
	}
	return time.Unix(0, id.MTime), err
}
