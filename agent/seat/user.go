package seat

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"

	"mft.dev/mft"
)

// A User is whom a process is made.
type User struct {
	UID, GID uint32
	Groups   []uint32 // supplementary
}

// UserOf looks a user up, by names or numbers; without a group it is the user's own.
// A number that the host has no name for has no supplementary groups, and without a
// group the group of the same number. The error has code mft.CodeConfig: there is no such user, or it is root and
// that is not allowed.
func UserOf(as mft.RunAs) (User, error) {
	u, err := lookUp(as)
	if err == nil && u.UID == 0 && !as.AllowRoot {
		err = errors.New("that is root, which needs allow_root: true in the file of this host")
	}
	if err != nil {
		return User{}, mft.Fail(mft.CodeConfig, "run as", as.User, err)
	}
	return u, nil
}

func lookUp(as mft.RunAs) (u User, err error) {
	named, err := user.Lookup(as.User)
	if err != nil {
		if _, nerr := number(as.User); nerr == nil {
			named, err = user.LookupId(as.User)
		}
	}
	switch {
	case err == nil:
		if u.UID, err = number(named.Uid); err == nil {
			u.GID, err = number(named.Gid)
		}
		if err == nil {
			u.Groups, err = groups(named)
		}
	default:
		var nerr error
		if u.UID, nerr = number(as.User); nerr != nil {
			return u, fmt.Errorf("there is no user of that name: %w", err)
		}
		u.GID, err = u.UID, nil
	}
	if err == nil && as.Group != "" {
		u.GID, err = group(as.Group)
	}
	return u, err
}

func group(name string) (uint32, error) {
	if g, err := user.LookupGroup(name); err == nil {
		return number(g.Gid)
	}
	gid, err := number(name)
	if err != nil {
		return 0, fmt.Errorf("there is no group %q", name)
	}
	return gid, nil
}

func groups(u *user.User) (out []uint32, err error) {
	ids, err := u.GroupIds()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		gid, err := number(id)
		if err != nil {
			return nil, err
		}
		out = append(out, gid)
	}
	return out, nil
}

func number(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err == nil && n >= 1<<32-1 { // which stands for none
		err = errors.New("that is no user or group")
	}
	return uint32(n), err
}
