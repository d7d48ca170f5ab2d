package release

import (
	"fmt"
	"time"

	"mft.dev/mft"
)

// A Host is what of a host decides whether a release is for it.
type Host struct {
	OS, Arch string
	// Version is what is installed.
	Version string
	Now     time.Time
	// To is the only version that is wanted; "" for the newest.
	To string
}

// A Choice is what is to be installed.
type Choice struct {
	Version string
	Binary  Binary
	// Current means that nothing is to be done: the host has this version.
	Current bool
}

// Decide says whether m is to be installed on a host. The error is
// mft.CodeUnfit: the release is older than what is there, too new for it,
// past its time, not the version that is wanted, or not for this system.
func (m Manifest) Decide(h Host) (Choice, error) {
	fail := func(format string, args ...any) (Choice, error) {
		return Choice{}, mft.Fail(mft.CodeUnfit, "install version", m.Version, fmt.Errorf(format, args...))
	}
	here, err := ParseVersion(h.Version)
	if err != nil {
		return fail("this binary does not say which version it is: %w", err)
	}
	offered, err := ParseVersion(m.Version)
	if err != nil {
		return fail("%w", err)
	}
	if h.To != "" {
		wanted, err := ParseVersion(h.To)
		if err != nil {
			return fail("%w", err)
		}
		if wanted.Compare(offered) != 0 {
			return fail("version %s is wanted, and not there", wanted)
		}
	}
	least, err := ParseVersion(m.Minimum)
	if err != nil {
		return fail("%w", err)
	}
	choice := Choice{Version: m.Version, Current: offered.Compare(here) == 0}
	switch {
	case offered.Compare(here) < 0:
		return fail("version %s is installed, which is newer, and mft does not go back", here)
	case choice.Current:
		return choice, nil
	case here.Compare(least) < 0:
		return fail("version %s is installed; it takes %s first", here, least)
	case !h.Now.Before(m.Expires):
		return fail("its manifest was good until %s", m.Expires.Format(time.RFC3339))
	case h.Now.Add(day).Before(m.Issued):
		return fail("its manifest is of %s, which has not come", m.Issued.Format(time.RFC3339))
	}
	b, ok := m.For(h.OS, h.Arch)
	if !ok {
		return fail("it has no binary for %s/%s", h.OS, h.Arch)
	}
	choice.Binary = b
	return choice, nil
}

// day is how far two clocks may be apart.
const day = 24 * time.Hour
