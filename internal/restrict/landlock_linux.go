package restrict

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// Levels of Landlock (its ABI) from which on a wall can be raised.
const (
	levelFiles    = 2 // 1 cannot allow a rename between directories
	levelTruncate = 3
	levelPorts    = 4
	levelScope    = 6
	levelKnown    = 7 // what later ones add is covered by the wall of calls
)

// What a path can be good for.
const (
	accessRead    landlock.AccessFSSet = ll.AccessFSReadFile | ll.AccessFSReadDir
	accessExecute landlock.AccessFSSet = ll.AccessFSExecute
	accessWrite   landlock.AccessFSSet = ll.AccessFSWriteFile | ll.AccessFSTruncate | ll.AccessFSRemoveDir | ll.AccessFSRemoveFile |
		ll.AccessFSMakeDir | ll.AccessFSMakeReg | ll.AccessFSMakeSym | ll.AccessFSMakeFifo | ll.AccessFSMakeSock | ll.AccessFSRefer
	// accessFile are those that a file can have; the kernel refuses others.
	accessFile landlock.AccessFSSet = ll.AccessFSExecute | ll.AccessFSWriteFile | ll.AccessFSReadFile | ll.AccessFSTruncate |
		ll.AccessFSIoctlDev
)

// level returns the ABI of the kernel's Landlock; 0 when there is none.
func level() int {
	v, err := ll.LandlockGetABIVersion()
	if err != nil || v < 0 {
		return 0
	}
	return v
}

// landlockWalls raises the three walls that Landlock makes, in one step.
func landlockWalls(p Policy, r *Report) error {
	have := level()
	var conf landlock.Config
	var rules []landlock.Rule
	if limited(p) && have >= levelFiles {
		conf.HandledAccessFS = handled(have)
		if p.executes() {
			conf.HandledAccessFS = accessExecute | ll.AccessFSRefer // the second is withheld by any wall that does not give it
		}
		more, err := fileRules(p, conf.HandledAccessFS)
		if err != nil {
			return err
		}
		rules = append(rules, more...)
	}
	if has := ports(p); has != 0 && have >= levelPorts {
		conf.HandledAccessNet = has
		rules = append(rules, portRules(p, has)...)
	}
	if scoped(p) && have >= levelScope {
		conf.Scoped = landlock.V6.Scoped
	}
	if conf.HandledAccessFS != 0 || conf.HandledAccessNet != 0 || conf.Scoped != 0 {
		if err := conf.Restrict(rules...); err != nil {
			return fmt.Errorf("raising the walls of Landlock: %w", err)
		}
	}
	reportLandlock(p, r, have)
	return nil
}

// limited reports whether there are files that the policy withholds.
func limited(p Policy) bool { return !p.AllFiles || len(p.Hidden) > 0 || len(p.Execute) > 0 }

// executes reports whether a policy withholds nothing of files but to execute them.
func (p *Policy) executes() bool { return p.AllFiles && len(p.Hidden) == 0 && len(p.Execute) > 0 }

// scoped reports whether signals and abstract sockets stay within. A supervisor
// ends others.
func scoped(p Policy) bool { return !p.Role.starts() }

// reportLandlock tells of what stands when a Landlock of this level did as it
// was told.
func reportLandlock(p Policy, r *Report, have int) {
	switch {
	case !limited(p):
		r.open(WallFiles, "every file that its user may reach")
	case have < levelFiles:
		r.missing(WallFiles, "%s", tooOld(have, levelFiles, "5.19"))
	case p.executes():
		r.up(WallFiles, "Landlock %d: every file that its user may reach, but it executes none except itself", have)
	case have < levelTruncate:
		r.up(WallFiles, "Landlock %d, which lets it truncate any file that its user may", have)
	default:
		r.up(WallFiles, "Landlock %d", have)
	}
	switch {
	case ports(p) == 0:
		r.open(WallPorts, "every port")
	case have < levelPorts:
		r.missing(WallPorts, "%s", tooOld(have, levelPorts, "6.7"))
	default:
		r.up(WallPorts, "Landlock %d", have)
	}
	switch {
	case !scoped(p):
		r.open(WallScope, "it ends the processes that it started")
	case have < levelScope:
		r.missing(WallScope, "%s", tooOld(have, levelScope, "6.12"))
	default:
		r.up(WallScope, "Landlock %d", have)
	}
}

func tooOld(have, need int, kernel string) string {
	if have == 0 {
		return fmt.Sprintf("this kernel has no Landlock, or it is switched off; it needs level %d, Linux %s", need, kernel)
	}
	return fmt.Sprintf("this kernel has Landlock of level %d; it needs %d, Linux %s", have, need, kernel)
}

// handled are the rights that a kernel of this level can withhold.
func handled(have int) landlock.AccessFSSet {
	return []landlock.Config{
		landlock.V2, landlock.V3, landlock.V4, landlock.V5, landlock.V6, landlock.V7,
	}[min(have, levelKnown)-levelFiles].HandledAccessFS
}

// ports are the acts on TCP ports that the policy withholds.
func ports(p Policy) (set landlock.AccessNetSet) {
	if p.Role.starts() || (p.Role == RoleExit && p.AnyPort) {
		return 0
	}
	set = ll.AccessNetBindTCP
	if !p.AnyPort {
		set |= ll.AccessNetConnectTCP
	}
	return set
}

func portRules(p Policy, has landlock.AccessNetSet) (rules []landlock.Rule) {
	for _, port := range p.Bind {
		rules = append(rules, landlock.BindTCP(port))
	}
	for _, port := range p.Connect {
		if has&ll.AccessNetConnectTCP != 0 {
			rules = append(rules, landlock.ConnectTCP(port))
		}
	}
	return rules
}

// fileRules says of each path what may be done there.
func fileRules(p Policy, handled landlock.AccessFSSet) (rules []landlock.Rule, err error) {
	add := func(path string, access landlock.AccessFSSet, optional bool) error {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("%q is not an absolute path", path)
		}
		fi, err := os.Stat(path)
		switch {
		case err != nil && optional && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)):
			return nil // what cannot be reached needs no leave
		case err != nil:
			return fmt.Errorf("allowing a path: %w", err)
		case !fi.IsDir():
			access &= accessFile
		}
		rule := landlock.PathAccess(access&handled, path)
		if optional {
			rule = rule.IgnoreIfMissing()
		}
		rules = append(rules, rule)
		return nil
	}
	for _, set := range []struct {
		paths    []string
		access   landlock.AccessFSSet
		optional bool
	}{
		{p.Read, accessRead, false},
		{p.Optional, accessRead, true},
		{p.Write, accessRead | accessWrite, false},
		{p.Execute, accessRead | accessExecute, false},
	} {
		for _, path := range set.paths {
			if err := add(path, set.access, set.optional); err != nil {
				return nil, err
			}
		}
	}
	if !p.AllFiles {
		return rules, nil
	}
	if p.executes() {
		return append(rules, landlock.PathAccess(ll.AccessFSRefer, "/")), nil
	}
	hidden, err := resolve(p.Hidden)
	if err != nil {
		return nil, err
	}
	if len(p.Execute) > 0 {
		handled &^= accessExecute
	}
	rules = append(rules, landlock.PathAccess(ll.AccessFSReadDir, "/"))
	err = beside("/", hidden, func(path string, within bool) error {
		if within {
			return add(path, ll.AccessFSReadDir, true)
		}
		return add(path, handled, true)
	})
	return rules, err
}

// resolve returns the directories without symbolic links; those that are not
// there cannot be read either. One that lies where this user cannot look is hidden with
// all that lies there: it may be let in later.
func resolve(dirs []string) (out []string, err error) {
	for _, d := range dirs {
		real, err := filepath.EvalSymlinks(d)
		for errors.Is(err, fs.ErrPermission) && d != "/" {
			d = filepath.Dir(d)
			real, err = filepath.EvalSymlinks(d)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("hiding a directory: %w", err)
		case real == "/":
			return nil, errors.New("the root directory cannot be hidden")
		default:
			out = append(out, real)
		}
	}
	return out, nil
}

// maxBeside bounds how many entries the directories above the hidden ones have.
const maxBeside = 1 << 16

// beside calls allow for what lies in dir and is not hidden: whole, or, for a
// directory that has something hidden below it, only as one that is passed
// through. Symbolic links are left out: what they lead to is allowed where it is.
func beside(dir string, hidden []string, allow func(path string, within bool) error) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil // nothing in it is allowed, then
	}
	if err != nil {
		return fmt.Errorf("listing what lies beside a hidden directory: %w", err)
	}
	if len(entries) > maxBeside {
		return fmt.Errorf("%s has %d entries, too many to hide one of them", dir, len(entries))
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.Type()&fs.ModeSymlink != 0 || slices.Contains(hidden, path) {
			continue
		}
		within := slices.ContainsFunc(hidden, func(h string) bool { return below(h, path) })
		if err := allow(path, within); err != nil {
			return err
		}
		if within {
			if err := beside(path, hidden, allow); err != nil {
				return err
			}
		}
	}
	return nil
}

// below reports whether path lies below dir; both are absolute and clean.
func below(path, dir string) bool { return strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/") }
