package restrict

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"mft.dev/mft"
)

// A Wall is one kind of confinement.
type Wall string

// The walls, in the order in which they are raised.
const (
	WallUser         Wall = "user"         // it is the user and groups that it should be
	WallMemory       Wall = "memory"       // no debugger and no core file: PR_SET_DUMPABLE, RLIMIT_CORE
	WallPrivileges   Wall = "privileges"   // no program that it starts gains any: no_new_privs
	WallCapabilities Wall = "capabilities" // none but those it keeps, in all five sets
	WallFiles        Wall = "files"        // Landlock: paths
	WallPorts        Wall = "ports"        // Landlock: TCP ports
	WallScope        Wall = "scope"        // Landlock: signals and abstract sockets stay within
	WallCalls        Wall = "calls"        // seccomp: system calls and kinds of sockets
)

// Walls lists all walls.
func Walls() []Wall {
	return []Wall{
		WallUser, WallMemory, WallPrivileges, WallCapabilities, WallFiles, WallPorts, WallScope, WallCalls,
	}
}

// Sockets says which sockets a process may make. It may use those that it was
// started with or is sent, whatever this says.
type Sockets uint8

// The kinds of sockets; they can be combined. Of the Internet's there are TCP
// and UDP, never MPTCP (which Landlock does not see) and never raw ones.
const (
	SocketsNone     Sockets = 0
	SocketsUnix     Sockets = 1 << 0
	SocketsInternet Sockets = 1 << 1
)

// A Role is what a process is for. It decides which system calls there are.
type Role string

// The roles.
const (
	RoleSupervisor Role = "supervisor" // has privileges, starts the others
	RoleAgent      Role = "agent"      // decides, keeps the journal, talks to peers; or starts a command
	RoleNetwork    Role = "network"    // talks to peers; no files, no keys
	RoleKeys       Role = "keys"       // signs; nothing but the descriptors it was started with
	RoleWorker     Role = "worker"     // reads and writes below the roots of a channel
	RoleExit       Role = "exit"       // any program, run because of a transfer
)

// Roles lists all roles.
func Roles() []Role {
	return []Role{RoleSupervisor, RoleAgent, RoleNetwork, RoleKeys, RoleWorker, RoleExit}
}

// A User is who a process is to be. A nil *User is whoever it is.
type User struct {
	UID, GID uint32
	Groups   []uint32 // supplementary
}

// A Policy says what a process may still do. Make one by [Network], [Keys],
// [Worker], [Exit], [Agent], [Launcher] or [Supervisor], and narrow it.
type Policy struct {
	Role Role
	User *User

	// Paths, absolute; below a directory everything. Read does not include
	// executing, Write includes reading, Execute includes reading. A path of
	// Optional is one of Read that need not be there. Apply fails on others that
	// are not.
	Read, Write, Execute, Optional []string
	// AllFiles means that there is no wall WallFiles, or one for executing only: if there
	// are paths in Execute, nothing else can be executed.
	AllFiles bool
	// Hidden are directories that stay out of reach although AllFiles is set: then
	// there is a wall, of what lies beside them. In the directories above them
	// nothing new can be made.
	Hidden []string

	Sockets Sockets
	// Connect and Bind are TCP ports. Connect may be AnyPort; a process with an
	// empty Bind cannot bind a UDP port either.
	Connect, Bind []uint16
	AnyPort       bool

	// Programs means that it may execute (what the paths allow).
	Programs bool
	// Keep are the capabilities that it keeps, by number, see capabilities(7).
	Keep []int

	// Require are the walls without which Apply fails.
	Require []Wall
}

// A Finding tells of one wall.
type Finding struct {
	Wall Wall `json:"wall"`
	Up   bool `json:"up"`
	// Open means that the policy has no such wall.
	Open bool `json:"open,omitempty"`
	// Why says how far it goes, why it is missing, or why the policy has none.
	Why string `json:"why"`
}

// A Report tells of all walls around a process.
type Report struct {
	Role  Role      `json:"role"`
	PID   int       `json:"pid"`
	UID   int       `json:"uid"`
	Walls []Finding `json:"walls"`
}

// Missing lists the walls that the policy has and that are not up.
func (r Report) Missing() []Finding {
	return slices.DeleteFunc(slices.Clone(r.Walls), func(f Finding) bool { return f.Up || f.Open })
}

// Up reports whether the wall is there.
func (r Report) Up(w Wall) bool {
	return slices.ContainsFunc(r.Walls, func(f Finding) bool { return f.Wall == w && f.Up })
}

// String lists the walls in one line.
func (r Report) String() string {
	var up, missing []string
	for _, f := range r.Walls {
		switch {
		case f.Up:
			up = append(up, string(f.Wall))
		case !f.Open:
			missing = append(missing, fmt.Sprintf("%s (%s)", f.Wall, f.Why))
		}
	}
	s := fmt.Sprintf("%s, uid %d: %s", r.Role, r.UID, strings.Join(up, ", "))
	if len(missing) > 0 {
		s += "; missing: " + strings.Join(missing, ", ")
	}
	return s
}

func (r *Report) up(w Wall, format string, args ...any) {
	r.Walls = append(r.Walls, Finding{Wall: w, Up: true, Why: fmt.Sprintf(format, args...)})
}

func (r *Report) missing(w Wall, format string, args ...any) {
	r.Walls = append(r.Walls, Finding{Wall: w, Why: fmt.Sprintf(format, args...)})
}

func (r *Report) open(w Wall, why string) {
	r.Walls = append(r.Walls, Finding{Wall: w, Open: true, Why: why})
}

// Apply raises the walls of p around the calling process, for good, and tries
// them. Errors are *mft.Error values with code mft.CodeConfinement: a wall that
// p requires is missing, one that the kernel has could not be raised, or one
// that was raised does not hold. After an error the process must end: some walls
// may be up.
func Apply(p Policy) (Report, error) {
	r, err := apply(p)
	if err == nil {
		err = lacking(p, r)
	}
	if err != nil {
		return r, mft.Fail(mft.CodeConfinement, "confine the process", string(p.Role), err)
	}
	return r, nil
}

// Foresee tells which walls Apply would raise on this host, and raises none.
// What only trying can tell it takes for granted.
func Foresee(p Policy) Report { return foresee(p) }

// Verify tries, in the calling process, what must fail now that p was applied.
// The error says what did not, with code mft.CodeConfinement. Apply has called
// it already.
func Verify(p Policy, r Report) error {
	if err := verify(p, r); err != nil {
		return mft.Fail(mft.CodeConfinement, "verify the confinement", string(p.Role), err)
	}
	return nil
}

// lacking says which walls p requires and r does not have.
func lacking(p Policy, r Report) error {
	var errs []error
	for _, f := range r.Missing() {
		if slices.Contains(p.Require, f.Wall) {
			errs = append(errs, fmt.Errorf("the wall %q is required and missing: %s", f.Wall, f.Why))
		}
	}
	return errors.Join(errs...)
}
