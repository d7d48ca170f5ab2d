package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mft.dev/mft/bench/contender"
	"mft.dev/mft/bench/contender/meter"
	"mft.dev/mft/bench/faraway"
	"mft.dev/mft/bench/result"
	"mft.dev/mft/bench/workload"
	"mft.dev/mft/bench/workload/content"
)

// A heat is a workload while it runs.
type heat struct {
	*course
	w      workload.Workload
	source string // the directory that holds the item
	shared string // the destination of all, if they share one
	wire   meter.Wire
	lanes  []*lane
}

// A lane is one contender in a heat.
type lane struct {
	*contender.Contender
	dest string // the directory that shall hold the item
	row  result.Row
	// By side, of what could be looked at only in the first round.
	peak, private [2]int64
}

// run measures one workload.
func (c *course) run(ctx context.Context, w workload.Workload) (err error) {
	dir := filepath.Join(c.dir, w.Key)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	h := &heat{course: c, w: w, source: filepath.Join(dir, "source"), wire: c.wire}
	volume, err := w.Make(h.source, c.scale)
	if err != nil {
		return fmt.Errorf("making the source: %w", err)
	}
	about := result.Workload{Key: w.Key, Title: w.Title, Bytes: volume.Bytes, Files: volume.Files, Fresh: w.Fresh}
	o := contender.Options{Dir: dir, Mft: c.mft, Self: c.self, Stored: w.Stored}
	if w.Far {
		way := c.way
		way.Loss, about.Bandwidth = w.Loss, way.Bandwidth
		path, err := faraway.Open(ctx, way)
		if err != nil {
			c.report.Notes = append(c.report.Notes, fmt.Sprintf("(%s) was left out: %v", w.Key, err))
			return nil
		}
		defer func() { err = errors.Join(err, path.Close()) }()
		c.report.Notes = append(c.report.Notes, fmt.Sprintf("(%s): %s", w.Key, way))
		h.wire, o.Sender, o.Receiver = path.Passed, c.place(path.Sender()), c.place(path.Receiver())
	}
	field, err := contender.Open(ctx, o, c.takers(w))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, field.Close()) }()
	if c.medium == result.RAM {
		c.report.Workloads = append(c.report.Workloads, about)
	}
	return h.race(ctx, field)
}

// place is where programs run at an end of a path.
func (c *course) place(end *faraway.End) contender.Place {
	return contender.Place{Address: end.Address, Enter: []string{c.self, "within", end.Namespace}}
}

// race lets the contenders take turns, the first one changing from round to
// round, and adds a row for each to the report.
func (h *heat) race(ctx context.Context, field *contender.Field) error {
	for _, c := range field.Contenders() {
		l := &lane{Contender: c, row: result.Row{Workload: h.w.Key, Contender: c.Name, Medium: h.medium, Limit: c.Limit, Why: c.Missing}}
		h.lanes = append(h.lanes, l)
	}
	err := h.fill(ctx)
	for r := 0; r <= h.rounds && err == nil; r++ {
		// The first round warms up and is not counted.
		if err = h.w.Change(h.source, r+1); err != nil {
			break
		}
		for k := range h.lanes {
			if err = h.turn(ctx, h.lanes[(k+r)%len(h.lanes)], r); err != nil {
				break
			}
		}
	}
	for _, l := range h.lanes {
		if len(l.row.Samples) == 0 && l.row.Why == "" {
			l.row.Why = "not measured: the whole ended before"
		}
		h.report.Rows = append(h.report.Rows, l.row)
	}
	return err
}

// fill makes the destinations that must be there before the first round.
func (h *heat) fill(ctx context.Context) error {
	for _, l := range h.lanes {
		if l.row.Why != "" {
			continue
		}
		l.dest = filepath.Join(l.Root, "by-"+l.Name)
		if h.w.Shared && h.shared != "" {
			l.dest = h.shared
			continue
		}
		if err := os.Mkdir(l.dest, 0o755); err != nil {
			return err
		}
		if h.w.Fresh || l.Stays {
			continue
		}
		first := h.trip(l)
		first.Mirror = false
		_, err := h.move(ctx, l, first, false)
		if err == nil {
			err = h.check(l, content.Epoch())
		}
		if err := l.fail(ctx, "at first: ", err); err != nil {
			return err
		}
		if err == nil && h.w.Shared {
			h.shared = l.dest
		}
	}
	return nil
}

func (h *heat) trip(l *lane) contender.Trip {
	return contender.Trip{Source: filepath.Join(h.source, workload.Item), Into: l.dest, Tree: h.w.Tree, Mirror: h.w.Mirror}
}

// turn is one run of one contender.
func (h *heat) turn(ctx context.Context, l *lane, round int) error {
	if l.row.Why != "" {
		return nil
	}
	if h.w.Anew && l.Forget != nil {
		if err := l.Forget(); err != nil {
			return l.fail(ctx, "", err)
		}
	}
	reading, err := h.move(ctx, l, h.trip(l), round == 0)
	flush := time.Now()
	if err == nil {
		err = contender.Flush(l.dest)
	}
	flushed := time.Since(flush)
	if err == nil && !l.Stays {
		err = h.check(l, h.w.Since)
	}
	if err != nil {
		return l.fail(ctx, "", err)
	}
	fmt.Fprintf(os.Stderr, "(%s) %s %-10s round %d: %.2f s\n", h.w.Key, h.medium, l.Name, round, reading.Wall.Seconds())
	l.note(reading, flushed, round)
	if h.w.Fresh && !l.Stays {
		return errors.Join(os.RemoveAll(l.dest), os.Mkdir(l.dest, 0o755))
	}
	return nil
}

// move runs a contender, but not for ever.
func (h *heat) move(ctx context.Context, l *lane, t contender.Trip, look bool) (meter.Reading, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, h.limit, fmt.Errorf("took longer than %s", h.limit))
	defer cancel()
	return l.Move(ctx, t, h.wire, look)
}

// check tells what is wrong with what arrived.
func (h *heat) check(l *lane, since time.Time) error {
	err := content.Compare(filepath.Join(h.source, workload.Item), filepath.Join(l.dest, workload.Item),
		content.Look{Since: since, Timeless: l.Timeless})
	if err != nil {
		return fmt.Errorf("WRONG: %w", err)
	}
	return nil
}

// fail takes a contender out of the heat. The error is that of somebody who
// wants the whole to end.
func (l *lane) fail(ctx context.Context, when string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	l.row.Samples = nil
	l.row.Why = when + strings.Join(strings.Fields(err.Error()), " ")
	if len(l.row.Why) > 300 {
		l.row.Why = l.row.Why[:300] + "…"
	}
	fmt.Fprintf(os.Stderr, "(%s) %s: %s\n", l.row.Workload, l.Name, l.row.Why)
	return nil
}

// note keeps what a run cost.
func (l *lane) note(r meter.Reading, flushed time.Duration, round int) {
	for side := range l.peak {
		l.peak[side] = max(l.peak[side], r.Loads[side].Peak)
		l.private[side] = max(l.private[side], r.Loads[side].Private)
	}
	if round == 0 {
		return
	}
	from, to := r.Loads[meter.Sender], r.Loads[meter.Receiver]
	l.row.Samples = append(l.row.Samples, result.Sample{
		Wall: r.Wall.Seconds(), Flush: flushed.Seconds(),
		SenderCPU: from.CPU.Seconds(), ReceiverCPU: to.CPU.Seconds(),
		SenderPeak: l.peak[meter.Sender], ReceiverPeak: l.peak[meter.Receiver], Wire: r.Wire,
		SenderPrivate: l.private[meter.Sender], ReceiverPrivate: l.private[meter.Receiver],
	})
}
