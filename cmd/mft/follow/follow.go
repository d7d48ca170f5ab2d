// Package follow accompanies transfers on their way: with a bar for each in a
// terminal, lines of JSON for programs, and one line about how each ended.
//
// A [Follower] asks the agent and prints; the transfers do not depend on it.
// The package refuses to cancel anything: whoever stops following is told how.
package follow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/exit"
	"mft.dev/mft/cmd/mft/progress"
	"mft.dev/mft/cmd/mft/show"
)

// A followed is one transfer on its way to its end.
type followed struct {
	placed localapi.Placed
	known  bool // row has been seen
	row    localapi.Transfer
	meter  progress.Meter
}

// A Follower shows transfers until all have ended.
type Follower struct {
	// Out gets progress and results, Errs the reasons of failures.
	Out, Errs io.Writer
	// JSON asks for lines of JSON, one a second for each transfer.
	JSON bool
	// Columns is the width of the terminal that Out is, 0 when it is none: then
	// only the results are told.
	Columns int

	list  []*followed
	drawn int // lines of the last frame
	spoke time.Time
}

// Follow shows how placed transfers come along, and returns once all have
// ended, or ctx has: then the transfers go on without it. It can be called
// once. What it returns has an exit status of package exit.
func (f *Follower) Follow(ctx context.Context, client *localapi.Client, placed []localapi.Placed) error {
	var ids []mft.TransferID
	var each []exit.Status
	byID := make(map[mft.TransferID]*followed)
	for _, p := range placed {
		if p.Err != nil {
			each = append(each, exit.Refused(f.Errs, p.Err.Err()))
			continue
		}
		one := &followed{placed: p}
		f.list, byID[p.Transfer] = append(f.list, one), one
		ids = append(ids, p.Transfer)
	}
	if len(ids) > 0 {
		err := client.Watch(ctx, ids, func(row localapi.Transfer) error {
			one := byID[row.ID]
			if one == nil {
				return nil
			}
			now := time.Now()
			one.row, one.known = row, true
			one.meter.See(now, row.Moved.Bytes)
			return f.show(now)
		})
		if ctx.Err() != nil {
			return f.leave()
		}
		if err != nil {
			return f.lost(err)
		}
	}
	each = append(each, f.results()...)
	if status := exit.Together(each); status != exit.OK {
		return exit.Ended{Status: status}
	}
	return nil
}

// show draws a frame on a terminal, or prints a line of JSON for each transfer
// once a second. It is silent otherwise.
func (f *Follower) show(now time.Time) error {
	switch {
	case f.JSON:
		if now.Sub(f.spoke) < time.Second {
			return nil
		}
		f.spoke = now
		for _, one := range f.list {
			if one.known && !one.row.State.Terminal() {
				if err := f.line(one.report()); err != nil {
					return err
				}
			}
		}
	case f.Columns > 0:
		var lines []string
		for _, one := range f.list {
			lines = append(lines, progress.Line(one.state(), f.Columns-1))
		}
		if _, err := f.Out.Write(progress.Frame(f.drawn, lines)); err != nil {
			return mft.Fail(mft.CodeIO, "write the progress", "", err)
		}
		f.drawn = len(lines)
	}
	return nil
}

func (one *followed) state() progress.State {
	s := progress.State{Name: string(one.placed.Agent), State: mft.StateQueued}
	if one.known {
		s.State, s.Rate = one.row.State, one.meter.Rate()
		s.Moved, s.Totals = mft.Count(one.row.Moved), mft.Count(one.row.Totals)
	}
	if r := one.row.Reason; r != nil {
		s.Why = show.Sentence(r)
	}
	return s
}

// A report is a line of JSON about one transfer that is followed.
type report struct {
	Transfer mft.TransferID    `json:"transfer"`
	Agent    mft.AgentName     `json:"agent"`
	Path     string            `json:"path"`
	State    mft.State         `json:"state"`
	Ended    bool              `json:"ended"`
	Moved    localapi.Count    `json:"moved"`
	Totals   localapi.Count    `json:"totals"`
	Rate     float64           `json:"bytes_per_second"`
	Left     *float64          `json:"seconds_left,omitempty"`
	Reason   *localapi.Problem `json:"reason,omitempty"`
}

func (one *followed) report() report {
	r := report{
		Transfer: one.placed.Transfer, Agent: one.placed.Agent, Path: one.placed.Path,
		State: one.row.State, Ended: one.row.State.Terminal(),
		Moved: one.row.Moved, Totals: one.row.Totals,
		Rate: math.Round(one.meter.Rate()), Reason: one.row.Reason,
	}
	if left, ok := progress.Left(one.state()); ok && !r.Ended {
		seconds := math.Round(left.Seconds()*10) / 10
		r.Left = &seconds
	}
	return r
}

// results says how each transfer ended.
func (f *Follower) results() []exit.Status {
	if f.drawn > 0 {
		// The lines of the last frame make room for the results.
		fmt.Fprintf(f.Out, "\x1b[%dA\r\x1b[J", f.drawn)
	}
	var each []exit.Status
	for _, one := range f.list {
		var code mft.Code
		if one.row.Reason != nil {
			code = one.row.Reason.Code
		}
		status := exit.OfTransfer(one.row.State, code)
		each = append(each, status)
		switch {
		case f.JSON:
			_ = f.line(one.report()) // a reader that has gone needs no result
		case status == exit.OK:
			fmt.Fprintln(f.Out, one.success())
		}
		if status != exit.OK {
			exit.Complain(f.Errs, one.failure())
		}
	}
	return each
}

// success is the one line about a transfer that arrived.
func (one *followed) success() string {
	took := one.row.Updated.Sub(one.row.Created)
	text := fmt.Sprintf("delivered %s, %s, to %s:%s in %s", progress.Files(one.row.Moved.Items),
		progress.Bytes(one.row.Moved.Bytes), one.to(), progress.Plain(one.placed.Path), brief(took))
	if rate := float64(one.row.Moved.Bytes) / took.Seconds(); took > time.Second {
		text += fmt.Sprintf(" (%s/s)", progress.Bytes(int64(rate)))
	}
	return text + "  " + one.placed.Transfer.String()
}

// to is the agent where the files went: this one after a request.
func (one *followed) to() string {
	if one.row.Requested && one.row.Role == mft.RoleReceive {
		return "here"
	}
	return string(one.placed.Agent)
}

// brief writes how long something took.
func brief(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return "no time"
	case d < 10*time.Second:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func (one *followed) failure() error {
	op := "transfer " + one.placed.Transfer.String() + " to " + string(one.placed.Agent)
	if one.row.Requested {
		op = "transfer " + one.placed.Transfer.String() + " from " + string(one.placed.Agent)
	}
	r := one.row.Reason
	if r == nil {
		code := mft.CodeOther
		if one.row.State == mft.StateCancelled {
			code = mft.CodeCancelled
		}
		return mft.Fail(code, op, "", nil)
	}
	problem := *r
	problem.Op = op + " " + string(one.row.State)
	return problem.Err()
}

// leave says that the transfers go on.
func (f *Follower) leave() error {
	for _, one := range f.list {
		if one.row.State.Terminal() {
			continue
		}
		fmt.Fprintf(f.Errs, "mft: no longer following transfer %s to %s; it goes on\n", one.placed.Transfer, one.placed.Agent)
		fmt.Fprintf(f.Errs, "to end it: mft transfer cancel %s\n", one.placed.Transfer)
	}
	return exit.Ended{Status: exit.StillRunning}
}

// line writes v as one line of JSON.
func (f *Follower) line(v any) error {
	e := json.NewEncoder(f.Out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return mft.Fail(mft.CodeIO, "write the progress", "", err)
	}
	return nil
}

// lost says that the agent went away; its transfers do not.
func (f *Follower) lost(err error) error {
	for _, one := range f.list {
		if !one.row.State.Terminal() {
			fmt.Fprintf(f.Errs, "mft: transfer %s goes on once the agent runs again\n", one.placed.Transfer)
		}
	}
	switch mft.CodeOf(err) {
	case mft.CodeMaintenance, mft.CodeDisconnected:
		return mft.Fail(mft.CodeNotRunning, "follow", "", errors.New("the agent has stopped"))
	}
	return err
}
