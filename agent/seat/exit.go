package seat

import (
	"cmp"
	"crypto/sha256"
	"errors"

	"mft.dev/mft"
	"mft.dev/mft/internal/plain"
)

// ExitAs returns who an exit runs as where a supervisor starts the agent as user.
func ExitAs(e *mft.Exit, user string) mft.RunAs {
	return mft.RunAs{User: cmp.Or(e.User, user), Group: e.Group, AllowRoot: e.AllowRoot}
}

// Exits returns who each exit runs as, in the order of the configuration.
func (t *Table) Exits() (out []mft.RunAs) {
	for i := range t.exits {
		out = append(out, ExitAs(&t.exits[i], t.user))
	}
	return out
}

// Exit returns what asks for a process that runs the command of an exit, by its number.
func (t *Table) Exit(n int) (Request, bool) {
	if n < 0 || n >= len(t.exits) {
		return Request{}, false
	}
	return Request{Index: uint16(n), Digest: t.exitDigest(n)}, true
}

// exitDigest is that of everything that an exit says.
func (t *Table) exitDigest(n int) (d [16]byte) {
	sum := sha256.Sum256(plain.Append(append([]byte("exit "), t.user...), t.exits[n]))
	copy(d[:], sum[:])
	return d
}

// FindExit returns the exit that a request asks for, and who it runs as.
func (t *Table) FindExit(r Request) (*mft.Exit, mft.RunAs, error) {
	n := int(r.Index)
	if n >= len(t.exits) {
		return nil, mft.RunAs{}, errors.New("the configuration has no such exit")
	}
	if t.exitDigest(n) != r.Digest {
		return nil, mft.RunAs{}, errChanged
	}
	return &t.exits[n], ExitAs(&t.exits[n], t.user), nil
}
