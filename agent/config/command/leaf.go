package command

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/exits/rule"
)

// A Phase is when a command runs.
type Phase mft.ExitPhase

// ReadText implements strict.Leaf.
func (v *Phase) ReadText(s string) error {
	phase, err := rule.Phase(s)
	*v = Phase(phase)
	return err
}

// Schema implements strict.Leaf.
func (*Phase) Schema() map[string]any {
	return map[string]any{"enum": []string{"pre", "post", "error", "success", "failure"}}
}

// An End is one side of a transfer; empty is the destination.
type End mft.End

// ReadText implements strict.Leaf.
func (v *End) ReadText(s string) error {
	switch mft.End(s) {
	case mft.EndDestination:
		*v = ""
		return nil
	case mft.EndSource:
		*v = End(mft.EndSource)
		return nil
	}
	return errors.New("want source or destination")
}

// Schema implements strict.Leaf.
func (*End) Schema() map[string]any {
	return map[string]any{"enum": []mft.End{mft.EndSource, mft.EndDestination}}
}

// A Source is the name of an agent, or * for any.
type Source mft.AgentName

// ReadText implements strict.Leaf.
func (v *Source) ReadText(s string) error {
	if s == "*" {
		*v = ""
		return nil
	}
	name, err := mft.ParseAgentName(s)
	if err != nil {
		return errors.New("want the name of an agent, or * for all")
	}
	*v = Source(name)
	return nil
}

// Schema implements strict.Leaf.
func (*Source) Schema() map[string]any {
	return map[string]any{"type": "string", "pattern": `^(\*|[a-z0-9]+(-[a-z0-9]+)*)$`, "maxLength": 63}
}

// A Text is any text but none.
type Text string

// ReadText implements strict.Leaf.
func (v *Text) ReadText(s string) error {
	if s == "" || strings.ContainsRune(s, 0) {
		return errors.New("want a text that is not empty and has no NUL")
	}
	*v = Text(s)
	return nil
}

// Schema implements strict.Leaf.
func (*Text) Schema() map[string]any {
	return map[string]any{"type": []string{"string", "number"}, "minLength": 1}
}

// An Any is whatever azure-mft took.
type Any string

// ReadText implements strict.Leaf.
func (v *Any) ReadText(s string) error {
	*v = Any(s)
	return nil
}

// Schema implements strict.Leaf.
func (*Any) Schema() map[string]any {
	return map[string]any{"type": []string{"string", "number", "boolean"}}
}

// A Time is how long something takes.
type Time time.Duration

// ReadText implements strict.Leaf.
func (v *Time) ReadText(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Millisecond || d > rule.MaxTimeout {
		return fmt.Errorf("want a time from 1ms to %v, such as 30s or 5m", rule.MaxTimeout)
	}
	*v = Time(d)
	return nil
}

// Schema implements strict.Leaf.
func (*Time) Schema() map[string]any {
	return map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}
}

// Times is how often something happens again.
type Times int

// ReadText implements strict.Leaf.
func (v *Times) ReadText(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > rule.MaxRetries {
		return fmt.Errorf("want a number from 0 to %d", rule.MaxRetries)
	}
	*v = Times(n)
	return nil
}

// Schema implements strict.Leaf.
func (*Times) Schema() map[string]any {
	return map[string]any{"type": "integer", "minimum": 0, "maximum": rule.MaxRetries}
}
