// Package guard has a command of the operator's say whether the source of a channel is
// what it should be. What a look tells is that of package source.
//
// Nothing is sent or removed because of a source that a guard has not let pass. The
// package starts no shell, and changes nothing.
package guard

import (
	"context"
	"fmt"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/exits/launch"
	"mft.dev/mft/agent/exits/process"
)

// maxSaid is how much of what a command says is told.
const maxSaid = 300

// Ask runs the command of the guard of a channel, if it has one: by desk as the user of the channel,
// or, where that is nil, as the agent's own. The error is mft.CodeGuard unless it ends with status 0 in time.
func Ask(ctx context.Context, c mft.Channel, desk *launch.Desk) (err error) {
	g := c.Guard
	if len(g.Check) == 0 {
		return nil
	}
	var out process.Outcome
	if desk != nil {
		out, err = desk.Check(ctx, c.Name, g)
	} else {
		out, err = process.Run(ctx, launch.OfGuard(g, process.Who{}))
	}
	if err == nil && !out.OK() {
		said := strings.TrimSpace(string(out.Output[:min(len(out.Output), maxSaid)]))
		err = fmt.Errorf("%v; it said %q", out, said)
	}
	if err != nil {
		return mft.Fail(mft.CodeGuard, "check the source with", g.Check[0], err)
	}
	return nil
}
