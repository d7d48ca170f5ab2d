// Package follow accompanies transfers on their way: with a bar for each in a
// terminal, lines of JSON for programs, and one line about how each ended.
//
// A [Follower] asks the agent and prints; the transfers do not depend on it.
// The package refuses to cancel anything: whoever stops following is told how.
package follow

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/exit"
	"mft.dev/mft/cmd/mft/progress"
)

// A followed is one transfer on its way to its end.
type followed struct {
	placed localapi.Placed
	known  bool // row has been seen
	row    localapi.Transfer
	meter  progress.Meter
}

// A Watcher reports on transfers until all have ended; *localapi.Client is
// one.
type Watcher interface {
	Watch(ctx context.Context, ids []mft.TransferID, f func(localapi.Transfer) error) error
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
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	list  []*followed
	drawn int // lines of the last frame
}

// Follow shows how placed transfers come along, and returns once all have
// ended, or ctx has: then the transfers go on without it. It can be called
// once. What it returns has an exit status of package exit.
func (f *Follower) Follow(ctx context.Context, agent Watcher, placed []localapi.Placed) error {
	if f.Now == nil {
		f.Now = time.Now
	}
	var ids []mft.TransferID
	var each []exit.Status
	for _, p := range placed {
		if p.Err != nil {
			each = append(each, exit.Refused(f.Errs, p.Err.Err()))
			continue
		}
		f.list = append(f.list, &followed{placed: p})
		ids = append(ids, p.Transfer)
	}
	if len(ids) > 0 {
		err := f.watch(ctx, agent, ids)
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

// watch takes in what the agent reports until it is through, and shows it from
// time to time.
func (f *Follower) watch(ctx context.Context, agent Watcher, ids []mft.TransferID) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rows, through := make(chan localapi.Transfer), make(chan error, 1)
	go func() {
		through <- agent.Watch(ctx, ids, func(row localapi.Transfer) error {
			select {
			case rows <- row:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	pause := 250 * time.Millisecond
	if f.JSON {
		pause = time.Second
	}
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case row := <-rows:
			f.take(row)
		case err := <-through:
			return err
		case <-tick.C:
			if err := f.show(); err != nil {
				cancel()
				<-through
				return err
			}
		}
	}
}

// take notes what the agent reports of a transfer.
func (f *Follower) take(row localapi.Transfer) {
	for _, one := range f.list {
		if one.placed.Transfer == row.ID {
			one.row, one.known = row, true
		}
	}
}

// show draws a frame on a terminal, or prints a line of JSON for each transfer
// that has not ended. It is silent otherwise.
func (f *Follower) show() error {
	now := f.Now()
	var lines []string
	for _, one := range f.list {
		if !one.known {
			continue
		}
		one.meter.See(now, one.row.Moved.Bytes)
		if f.JSON && !one.row.State.Terminal() {
			if err := f.line(one.report()); err != nil {
				return err
			}
		}
		lines = append(lines, progress.Line(one.state(), f.Columns-1))
	}
	if f.JSON || f.Columns == 0 {
		return nil
	}
	if _, err := f.Out.Write(progress.Frame(f.drawn, lines)); err != nil {
		return mft.Fail(mft.CodeIO, "write the progress", "", err)
	}
	f.drawn = len(lines)
	return nil
}

func (one *followed) state() progress.State {
	s := progress.State{
		Name: string(one.placed.Agent), State: one.row.State, Rate: one.meter.Rate(),
		Moved: mft.Count(one.row.Moved), Totals: mft.Count(one.row.Totals),
	}
	s.Totals.Items -= one.row.Unchanged.Items // they need not move
	s.Totals.Bytes -= one.row.Unchanged.Bytes
	if r := one.row.Reason; r != nil {
		s.Why = progress.Sentence(r.Code, r.Detail)
	}
	return s
}

// A report is a line of JSON about one transfer that is followed.
type report struct {
	Transfer localapi.Transfer `json:"transfer"`
	Ended    bool              `json:"ended"`
	Rate     float64           `json:"rate"` // bytes a second over the last seconds
	Left     *float64          `json:"seconds_left,omitempty"`
}

func (one *followed) report() report {
	r := report{Transfer: one.row, Ended: one.row.State.Terminal(), Rate: math.Round(one.meter.Rate())}
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

// manySmall is the size below which the number of items tells more about the
// pace than their bytes.
const manySmall = 16 << 10

// success is the one line about a transfer that arrived.
func (one *followed) success() string {
	took := one.row.Updated.Sub(one.row.Created)
	items, bytes := one.row.Moved.Items, one.row.Moved.Bytes
	text := fmt.Sprintf("delivered %s, %s, to %s:%s in %s", progress.Items(items),
		progress.Bytes(bytes), one.to(), progress.Plain(one.placed.Path), brief(took))
	if n := one.row.Unchanged.Items; n > 0 {
		text += fmt.Sprintf(", %d unchanged", n)
	}
	if n := one.row.Removed; n > 0 {
		text += fmt.Sprintf(", %d removed", n)
	}
	switch {
	case took < time.Second:
	case items > 100 && bytes/items < manySmall:
		text += fmt.Sprintf(" (%.0f items/s)", float64(items)/took.Seconds())
	default:
		text += fmt.Sprintf(" (%s/s)", progress.Bytes(int64(float64(bytes)/took.Seconds())))
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
	if f.drawn > 0 {
		fmt.Fprint(f.Out, "\r\x1b[K") // over the ^C that the terminal shows
	}
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
			fmt.Fprintf(f.Errs, "mft: the agent has stopped; transfer %s goes on once it runs again\n", one.placed.Transfer)
		}
	}
	switch mft.CodeOf(err) {
	case mft.CodeMaintenance, mft.CodeDisconnected:
		// Not "no agent answers": a script would take that for an order that
		// was never placed.
		return exit.Ended{Status: exit.StillRunning}
	}
	return err
}
