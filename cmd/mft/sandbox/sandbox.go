// Package sandbox has `mft sandbox-probe`: a process that is confined as one of
// the agent's processes is tries what it must not be able to do.
//
// The policy is that of the role, made by the same function as for the agent's own
// processes. What is tried is harmless if it succeeds: it is done to files and
// sockets that the probe made for it, or with arguments that cannot have an
// effect (a signal 0, a null address, a magic number that is wrong). The package
// refuses to try anything else.
package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"

	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/exit"
	"mft.dev/mft/internal/restrict"
)

// A Shell is what the command needs of the place where it is typed.
type Shell struct {
	In    io.Reader
	Out   io.Writer
	Print func(v any, text func()) error
}

// A Result tells of one act.
type Result struct {
	Act    string `json:"act"`
	Denied bool   `json:"denied"`
	How    string `json:"how"`
}

// An Outcome is what a probe found.
type Outcome struct {
	Role    restrict.Role    `json:"role"`
	Control bool             `json:"control"`
	Walls   *restrict.Report `json:"walls,omitempty"`
	Acts    []Result         `json:"acts"`
	Denied  int              `json:"denied"`
}

// An order is what the process that is to be confined is told.
type order struct {
	Policy  restrict.Policy
	Control bool
	Place   place
}

// A place is what the probe made, for its acts to be done to.
type place struct {
	Inside   string // a directory that the role may use
	Outside  string // one that it may not
	Keys     string // a file that only whoever started the probe may read
	Port     int    // a listener of TCP on the loopback
	Abstract string // a listener on an abstract socket
	Socket   string // a listener on a socket in Outside
	Parent   int
}

// Command returns `mft sandbox-probe`.
func Command(s Shell) *cobra.Command {
	var inside, control bool
	c := &cobra.Command{
		Use:   "sandbox-probe ROLE",
		Short: "Try what the agent's processes must not be able to do",
		Long: `Start a process that is confined as the agent's process of that role is, and
have it try what it must not be able to do: read keys, write elsewhere, start
programs, trace or signal others, bind and connect, mount, load into the kernel.
Whatever is tried would be harmless if it succeeded.

The roles are agent, network, keys, worker, exit and supervisor. As root the
process gets a user without rights; else it keeps the one that it has.`,
		Example: `  mft sandbox-probe worker
  mft sandbox-probe worker --control`,
		Args:      argument.Takes(1, 1, "ROLE"),
		ValidArgs: roleNames(),
		RunE: func(c *cobra.Command, args []string) error {
			if inside {
				return s.act()
			}
			role := restrict.Role(args[0])
			if len(actsOf(role)) == 0 {
				return exit.Misused("there is no role %q here; there are %v", args[0], roleNames())
			}
			found, err := Probe(c.Context(), role, control)
			if err != nil {
				return err
			}
			if err := s.Print(found, func() { show(s.Out, found) }); err != nil {
				return err
			}
			if !control && found.Denied != len(found.Acts) {
				return mft.Fail(mft.CodeConfinement, "probe the confinement of", string(role),
					fmt.Errorf("%d of %d acts were not denied", len(found.Acts)-found.Denied, len(found.Acts)))
			}
			return nil
		},
	}
	c.Flags().BoolVar(&control, "control", false, "do the same without walls, to see that the probe would notice")
	c.Flags().BoolVar(&inside, "inside", false, "be the process that tries")
	_ = c.Flags().MarkHidden("inside")
	return c
}

func roleNames() (names []string) {
	for _, r := range restrict.Roles() {
		names = append(names, string(r))
	}
	return names
}

func show(w io.Writer, o Outcome) {
	if o.Walls != nil {
		fmt.Fprintln(w, o.Walls)
	}
	for _, a := range o.Acts {
		verdict := "denied "
		if !a.Denied {
			verdict = "ALLOWED"
		}
		fmt.Fprintf(w, "%s  %-52s %s\n", verdict, a.Act, a.How)
	}
	fmt.Fprintf(w, "%d of %d denied\n", o.Denied, len(o.Acts))
}

// Probe makes a place, starts a process that is confined as the role is, or one
// that is not, and returns what it found.
func Probe(ctx context.Context, role restrict.Role, control bool) (Outcome, error) {
	fail := func(err error) (Outcome, error) {
		return Outcome{}, mft.Fail(mft.CodeConfinement, "probe the confinement of", string(role), err)
	}
	here, clear, err := prepare()
	if err != nil {
		return fail(fmt.Errorf("making a place to try things in: %w", err))
	}
	defer clear()
	o := order{Policy: policyOf(role, here), Control: control, Place: here}
	told, err := json.Marshal(o)
	if err != nil {
		return fail(err)
	}
	cmd := exec.CommandContext(ctx, self(), "sandbox-probe", string(role), "--inside")
	cmd.Stdin = bytes.NewReader(told)
	if !control {
		cmd.SysProcAttr = restrict.Starting(o.Policy)
	}
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	cmd.Dir = "/"
	out, err := cmd.Output()
	if err != nil {
		return fail(fmt.Errorf("%w: %s", err, bytes.TrimSpace(complaint.Bytes())))
	}
	var found Outcome
	if err := json.Unmarshal(out, &found); err != nil {
		return fail(err)
	}
	if len(found.Acts) != len(actsOf(role)) {
		return fail(errors.New("it did not try all acts"))
	}
	return found, nil
}

// act is the process that tries.
func (s Shell) act() error {
	var o order
	if err := json.NewDecoder(io.LimitReader(s.In, 1<<20)).Decode(&o); err != nil {
		return exit.Misused("what to try is told on standard input")
	}
	found := Outcome{Role: o.Policy.Role, Control: o.Control}
	if !o.Control {
		r, err := restrict.Apply(o.Policy)
		if err != nil {
			return err
		}
		found.Walls = &r
	}
	for _, a := range actsOf(o.Policy.Role) {
		r := try(a, o.Place)
		if r.Denied {
			found.Denied++
		}
		found.Acts = append(found.Acts, r)
	}
	return json.NewEncoder(s.Out).Encode(found)
}

// policyOf is the policy of the role in production, for this place.
func policyOf(role restrict.Role, here place) (p restrict.Policy) {
	switch role {
	case restrict.RoleNetwork:
		p = restrict.Network(restrict.Resolver())
	case restrict.RoleKeys:
		p = restrict.Keys(here.Inside)
	case restrict.RoleAgent:
		p = restrict.Agent()
	case restrict.RoleWorker:
		p = restrict.Worker(nil, []string{here.Inside})
	case restrict.RoleExit:
		p = restrict.Exit(false, here.Outside)
	default:
		return restrict.Supervisor()
	}
	p.User = unprivileged()
	return p
}
