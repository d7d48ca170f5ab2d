package seat

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/internal/plain"
)

// A Command is one that the configuration names: of an exit, or the check of the guard of a
// channel; the other is nil.
type Command struct {
	// Name is for people, and that of the key in the configuration.
	Name  string
	Exit  *mft.Exit
	Check *mft.Guard
	RunAs mft.RunAs
}

// Program returns what is run.
func (c *Command) Program() string {
	if c.Exit != nil {
		return c.Exit.Run[0]
	}
	return c.Check.Check[0]
}

// ExitAs returns who an exit runs as where a supervisor starts the agent as user.
func ExitAs(e *mft.Exit, user string) mft.RunAs {
	return mft.RunAs{User: cmp.Or(e.User, user), Group: e.Group, AllowRoot: e.AllowRoot}
}

// addCommands adds the commands of a configuration: first the exits, in its order.
func (t *Table) addCommands(exits []mft.Exit, channels []mft.Channel, self mft.AgentName, user string) {
	t.exits = len(exits)
	for i := range exits {
		t.commands = append(t.commands, Command{Name: fmt.Sprintf("exits[%d]", i), Exit: &exits[i], RunAs: ExitAs(&exits[i], user)})
	}
	for i := range channels {
		c := &channels[i]
		if c.From.Agent != self || len(c.Guard.Check) == 0 {
			continue
		}
		as := c.RunAs
		as.User = cmp.Or(as.User, user)
		t.commands = append(t.commands, Command{Name: "check of channel " + c.Name, Check: &c.Guard, RunAs: as})
	}
}

// Commands returns all of them. The caller must not change them.
func (t *Table) Commands() []Command { return t.commands }

// Exit returns what asks for a process that runs the command of an exit, by its number.
func (t *Table) Exit(n int) (Request, bool) {
	if n < 0 || n >= t.exits {
		return Request{}, false
	}
	return t.command(n), true
}

// Check returns what asks for a process that runs the check of a channel.
func (t *Table) Check(channel string) (Request, bool) {
	for n := t.exits; n < len(t.commands); n++ {
		if t.commands[n].Name == "check of channel "+channel {
			return t.command(n), true
		}
	}
	return Request{}, false
}

func (t *Table) command(n int) Request {
	return Request{Index: uint16(n), Digest: t.commands[n].digest()}
}

// digest is that of everything that a command says.
func (c *Command) digest() (d [16]byte) {
	sum := sha256.Sum256(plain.Append([]byte("command "), *c))
	copy(d[:], sum[:])
	return d
}

// FindCommand returns what a request asks for.
func (t *Table) FindCommand(r Request) (*Command, error) {
	n := int(r.Index)
	if n >= len(t.commands) {
		return nil, errors.New("the configuration has no such command")
	}
	if t.commands[n].digest() != r.Digest {
		return nil, errChanged
	}
	return &t.commands[n], nil
}
