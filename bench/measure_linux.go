package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"mft.dev/mft/bench/contender/meter"
	"mft.dev/mft/bench/result"
	"mft.dev/mft/bench/workload"
	"mft.dev/mft/internal/rig"
)

// A course is one call of the command.
type course struct {
	options
	dir    string // everything lies below it
	medium string
	self   string
	wire   meter.Wire // of the loopback device, nil if it is not ours alone
	report *result.Report
}

// measure runs the workloads. A report comes with an error too, if there is
// something to report.
func measure(ctx context.Context, o options) (r *result.Report, err error) {
	dir, err := prepare(ctx, &o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o711); err != nil { // agents may have users of their own
		return nil, err
	}
	c := &course{options: o, dir: dir, medium: result.RAM, report: &result.Report{
		When: time.Now().UTC().Truncate(time.Second), Machine: machine(), Scale: o.scale, Rounds: o.rounds,
	}}
	if c.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if os.Getenv(inside) != "" {
		c.wire = meter.Loopback
	} else {
		c.report.Notes = append(c.report.Notes, "bytes on the wire are not counted: that needs root, for a network namespace")
	}
	err = c.runAll(ctx)
	if err == nil && o.disk != "" {
		c.medium = "disk"
		if c.dir, err = os.MkdirTemp(o.disk, "mft-bench-"); err != nil {
			return c.report, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(c.dir)) }()
		if err = os.Chmod(c.dir, 0o711); err == nil {
			err = c.runAll(ctx)
		}
	}
	return c.report, err
}

// prepare makes the directory for everything, with mft in it, and enters a
// network of our own, where nothing could be fetched for building.
func prepare(ctx context.Context, o *options) (dir string, err error) {
	if dir = os.Getenv(inside); dir == "" {
		if dir, err = os.MkdirTemp(o.dir, "mft-bench-"); err != nil {
			return "", err
		}
		if o.mft == "" {
			if _, err := rig.Build(ctx, dir); err != nil {
				return "", errors.Join(err, os.RemoveAll(dir))
			}
		}
		if os.Geteuid() == 0 {
			return "", errors.Join(isolate(dir), os.RemoveAll(dir))
		}
	}
	if o.mft == "" {
		o.mft = filepath.Join(dir, "mft")
	}
	o.mft, err = filepath.Abs(o.mft)
	return dir, err
}

// runAll runs every workload that was asked for.
func (c *course) runAll(ctx context.Context) error {
	for _, w := range workload.All() {
		if !c.wants(w.Key) || w.Far && c.medium != result.RAM { // no disk is as slow as that
			continue
		}
		if err := c.run(ctx, w); err != nil {
			return fmt.Errorf("(%s): %w", w.Key, err)
		}
	}
	if !c.wants("k") || c.medium != result.RAM {
		return nil
	}
	var err error
	c.report.Idle, err = c.idle(ctx)
	return err
}

// machine describes where the numbers come from.
func machine() string {
	var uts syscall.Utsname
	release := "unknown"
	if syscall.Uname(&uts) == nil {
		var b strings.Builder
		for _, c := range uts.Release {
			if c == 0 {
				break
			}
			b.WriteByte(byte(c))
		}
		release = b.String()
	}
	model := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d × %s, Linux %s, %s", runtime.NumCPU(), model, release, runtime.Version())
}
