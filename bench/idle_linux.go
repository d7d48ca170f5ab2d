package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mft.dev/mft/bench/contender/meter"
	"mft.dev/mft/bench/result"
	"mft.dev/mft/internal/rig"
)

// An idler is two agents with channels from the first, over trees that were sent.
type idler struct {
	alpha, beta     *rig.Host
	channels, files int // files is of each channel
	seconds         float64
}

// idle measures what an agent costs that has channels and nothing to do: first with
// channels that watch their sources, then with ones that wait for a marker.
func (c *course) idle(ctx context.Context) (arriving, marked *result.Idle, err error) {
	i := &idler{channels: 100, files: int(10000 * c.scale), seconds: max(5, 60*c.scale)}
	arriving = &result.Idle{Channels: i.channels, Files: i.files, Waits: "files that arrive"}
	marked = &result.Idle{Channels: i.channels, Files: i.files, Waits: "a marker or the clock"}
	dir := filepath.Join(c.dir, "k")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	defer func() { err = errors.Join(err, i.stop()) }()
	err = i.prepare(ctx, c.mft, dir)
	if err == nil {
		err = i.measure(ctx, arriving, "when: {arrival: {}}")
	}
	if err == nil {
		err = i.scans(ctx, arriving)
	}
	if err == nil {
		err = i.measure(ctx, marked, "when: {marker: true, poll: 24h}, markers: {source: {trigger: %[1]s/.ready, block: %[1]s/.busy, activity: %[1]s/.sending}}")
	}
	if err != nil && ctx.Err() == nil {
		arriving.Why, marked.Why, err = err.Error(), err.Error(), nil
	}
	return arriving, marked, err
}

// prepare makes the agents and the trees, and has everything delivered once.
func (i *idler) prepare(ctx context.Context, mft, dir string) (err error) {
	if i.beta, err = rig.New(mft, filepath.Join(dir, "beta"), "beta"); err != nil {
		return err
	}
	if i.alpha, err = rig.New(mft, filepath.Join(dir, "alpha"), "alpha"); err != nil {
		return err
	}
	for n := range i.channels {
		if err := fill(filepath.Join(i.alpha.Out(), channel(n)), i.files); err != nil {
			return err
		}
	}
	if err := i.configure("when: {arrival: {}}"); err != nil {
		return err
	}
	for _, h := range []*rig.Host{i.beta, i.alpha} {
		if err := h.Start(ctx); err != nil {
			return err
		}
	}
	if err := rig.Pair(ctx, i.alpha, i.beta, i.beta.Addr); err != nil {
		return err
	}
	for {
		n, err := i.delivered()
		if err != nil || n == i.channels*i.files {
			return err
		}
		if err := rest(ctx, time.Second); err != nil {
			return err
		}
	}
}

func channel(n int) string { return fmt.Sprintf("channel-%03d", n) }

// fill makes small files, a hundred in each directory.
func fill(dir string, files int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for n := range files {
		sub := filepath.Join(dir, fmt.Sprintf("d%03d", n/100))
		if n%100 == 0 {
			if err := os.Mkdir(sub, 0o755); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("f%05d", n)), []byte{'x'}, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// delivered counts the files that have arrived.
func (i *idler) delivered() (files int, err error) {
	dirs, err := filepath.Glob(filepath.Join(i.beta.In(), "channel-*", "d*"))
	for _, d := range dirs {
		names, err := os.ReadDir(d)
		if err != nil {
			return 0, err
		}
		for _, e := range names {
			if e.Name()[0] == 'f' {
				files++
			}
		}
	}
	return files, err
}

// configure writes the channels, which hold from the next start.
func (i *idler) configure(when string) error {
	var text strings.Builder
	text.WriteString("channels:\n")
	for n := range i.channels {
		from := filepath.Join(i.alpha.Out(), channel(n))
		terms := when
		if strings.Contains(when, "%") {
			terms = fmt.Sprintf(when, from)
		}
		fmt.Fprintf(&text, "  - {name: %s, from: {agent: alpha, path: %s}, to: [{agent: beta, path: %s}], %s}\n",
			channel(n), from, filepath.Join(i.beta.In(), channel(n)), terms)
	}
	return i.alpha.Configure(text.String())
}

// measure starts the agent anew with such channels and weighs it.
func (i *idler) measure(ctx context.Context, to *result.Idle, when string) error {
	if err := i.alpha.Stop(); err != nil {
		return err
	}
	if err := i.configure(when); err != nil {
		return err
	}
	if err := i.alpha.Start(ctx); err != nil {
		return err
	}
	pid := i.alpha.Running().PID()
	begun, err := quiet(ctx, pid)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := rest(ctx, time.Duration(i.seconds*float64(time.Second))); err != nil {
		return err
	}
	to.Seconds = time.Since(start).Seconds()
	after, err := meter.Busy(pid)
	if err != nil {
		return err
	}
	to.Start, to.CPU = begun.Seconds(), 1000*(after-begun).Seconds()/to.Seconds
	to.Resident, err = meter.Resident(pid)
	return err
}

// scans measures what looking at all files once more takes: what an agent uses that
// looks each rescan, beyond one that idles. A stretch of twice that time has two scans
// of each channel in it, wherever it begins.
func (i *idler) scans(ctx context.Context, to *result.Idle) error {
	const rescan, usual = 30.0, 600.0
	often := *i
	often.seconds = max(i.seconds, 2*rescan)
	var with result.Idle
	if err := often.measure(ctx, &with, fmt.Sprintf("when: {arrival: {rescan: %.0fs}}", rescan)); err != nil {
		return err
	}
	to.Scan, to.Scans = max(0, with.CPU-to.CPU)*rescan/1000, usual
	return nil
}

// quiet waits until a process has done next to nothing for a few seconds: what comes
// with the start is not idling. It returns what the process has used until then.
func quiet(ctx context.Context, pid int) (time.Duration, error) {
	const enough, little = 4, 100 * time.Millisecond
	last := time.Duration(0)
	for still := 0; still < enough; still++ {
		if err := rest(ctx, time.Second); err != nil {
			return 0, err
		}
		now, err := meter.Busy(pid)
		if err != nil {
			return 0, err
		}
		if now-last > little {
			still = 0
		}
		last = now
	}
	return last, nil
}

func (i *idler) stop() error {
	var errs []error
	for _, h := range []*rig.Host{i.alpha, i.beta} {
		if h != nil {
			errs = append(errs, h.Stop())
		}
	}
	return errors.Join(errs...)
}

func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
