package content

import (
	"fmt"
	"strconv"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/strict"
)

// Versions is the section `versions:` of a grant.
//
//	versions: {keep: 5, max_age: 720h}
type Versions struct {
	strict.Place
	Keep   Kept `yaml:"keep" need:"yes" doc:"How many old versions of a file stay at least, the newest, 1 to 10000. Others are removed when a further one has been made."`
	MaxAge Age  `yaml:"max_age" doc:"How long the others stay too, from when they were set aside. Default: not at all."`
}

// Kept is how many versions stay.
type Kept int

const maxKept = 10_000

// ReadText implements strict.Leaf.
func (v *Kept) ReadText(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxKept {
		return fmt.Errorf("want a number from 1 to %d", maxKept)
	}
	*v = Kept(n)
	return nil
}

// Schema implements strict.Leaf.
func (*Kept) Schema() map[string]any {
	return map[string]any{"type": "integer", "minimum": 1, "maximum": maxKept}
}

// Bound returns what the section says; without it there is none.
func (e *Versions) Bound() mft.VersionBound {
	if e == nil {
		return mft.VersionBound{}
	}
	return mft.VersionBound{Keep: int(e.Keep), MaxAge: time.Duration(e.MaxAge)}
}

// DocumentOfVersions returns the section that says b, nil if there is no bound.
func DocumentOfVersions(b mft.VersionBound) map[string]any {
	if b.Keep == 0 {
		return nil
	}
	out := map[string]any{"keep": b.Keep}
	if b.MaxAge > 0 {
		out["max_age"] = b.MaxAge.String()
	}
	return out
}
