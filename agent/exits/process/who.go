package process

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/user"
	"runtime"
	"strconv"

	"mft.dev/mft"
)

// A Who is a user that a command runs as. The zero value is the agent's own.
type Who struct {
	other    bool // not the agent's own
	uid, gid uint32
	groups   []uint32 // supplementary
	name     string
	home     string
}

// Find returns the user and group of these names or numbers; "" is the agent's
// own, and with a user that user's group. The supplementary groups are those of
// the user, none for a number that the host has no name for. The error has
// code CodeExit: there is none of that name, or the agent is not root and may
// only be itself.
func Find(name, group string) (Who, error) {
	who, err := findWho(name, group)
	if err != nil {
		return Who{}, mft.Fail(mft.CodeExit, "run a command as", name+":"+group, err)
	}
	return who, nil
}

func findWho(name, group string) (Who, error) {
	if name == "" && group == "" {
		return self(), nil
	}
	if runtime.GOOS != "linux" {
		return Who{}, errors.New("running as another user is not possible on this operating system; leave out user and group")
	}
	uid, gid := uint32(os.Geteuid()), uint32(os.Getegid())
	who := Who{uid: uid, gid: gid, home: "/", name: strconv.Itoa(int(uid))}
	if name == "" {
		name = strconv.Itoa(int(uid))
	}
	if err := who.lookUp(name, group == ""); err != nil {
		return Who{}, err
	}
	if group != "" {
		var err error
		if who.gid, err = groupID(group); err != nil {
			return Who{}, err
		}
	}
	who.other = who.uid != uid || who.gid != gid
	if who.other && uid != 0 {
		return Who{}, fmt.Errorf("the agent runs as user %d and may only run commands as that; leave out user and group, or run it as root", uid)
	}
	return who, nil
}

func (w *Who) lookUp(name string, needGroup bool) error {
	u, err := user.Lookup(name)
	if err != nil {
		u, err = user.LookupId(name)
	}
	if err != nil {
		uid, perr := number(name)
		if perr != nil {
			return fmt.Errorf("there is no user %q", name)
		}
		if needGroup {
			return fmt.Errorf("the host knows no user %d; name its group too", uid)
		}
		w.uid, w.name = uid, name
		return nil
	}
	if w.uid, err = number(u.Uid); err != nil {
		return err
	}
	if w.gid, err = number(u.Gid); err != nil {
		return err
	}
	w.name = u.Username
	if u.HomeDir != "" {
		w.home = u.HomeDir
	}
	ids, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("finding the groups of %s: %w", name, err)
	}
	for _, id := range ids {
		if gid, err := number(id); err == nil {
			w.groups = append(w.groups, gid)
		}
	}
	return nil
}

func groupID(group string) (uint32, error) {
	if g, err := user.LookupGroup(group); err == nil {
		return number(g.Gid)
	}
	gid, err := number(group)
	if err != nil {
		return 0, fmt.Errorf("there is no group %q", group)
	}
	return gid, nil
}

// number reads an id; the highest means "unchanged" to the system.
func number(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err == nil && n == math.MaxUint32 {
		err = errors.New("it is no id")
	}
	return uint32(n), err
}

func self() Who {
	w := Who{home: "/"}
	if u, err := user.Current(); err == nil {
		w.name = u.Username
		if u.HomeDir != "" {
			w.home = u.HomeDir
		}
	}
	return w
}

// environment returns what every command gets.
func (w *Who) environment() []string {
	env := []string{"PATH=" + Path, "LANG=C.UTF-8", "HOME=" + w.home}
	if w.name != "" {
		env = append(env, "USER="+w.name, "LOGNAME="+w.name)
	}
	return env
}
