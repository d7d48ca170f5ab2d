package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"mft.dev/mft/bench/contender"
	"mft.dev/mft/bench/contender/meter"
	"mft.dev/mft/bench/result"
	"mft.dev/mft/internal/rig"
)

// An idler is two agents with channels from the first, over trees that were sent.
type idler struct {
	alpha, beta     *rig.Host
	channels, files int // files is of each channel
	seconds         float64
	// apart says that the first agent has processes of several users.
	apart bool
}

// What channels wait for.
const (
	arrivals = "when: {arrival: {}}"
	marker   = "when: {marker: true, poll: 24h}, markers: {source: {trigger: %[1]s/.ready, block: %[1]s/.busy, activity: %[1]s/.sending}}"
)

// idle measures what an agent costs that has channels and nothing to do: with channels that
// watch their sources, and with ones that wait for a marker; as one process, and where
// root measures as processes of several users.
func (c *course) idle(ctx context.Context) (out []result.Idle, err error) {
	for _, apart := range []bool{false, true} {
		if apart && os.Geteuid() != 0 {
			break
		}
		i := &idler{channels: 100, files: int(10000 * c.scale), seconds: max(5, 60*c.scale), apart: apart}
		both, err := i.run(ctx, c)
		out = append(out, both...)
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// run measures both kinds of channels.
func (i *idler) run(ctx context.Context, c *course) (out []result.Idle, err error) {
	users := ""
	if i.apart {
		users = ", with a user for the files"
	}
	out = []result.Idle{
		{Channels: i.channels, Files: i.files, Waits: "files that arrive" + users},
		{Channels: i.channels, Files: i.files, Waits: "a marker or the clock" + users},
	}
	dir := filepath.Join(c.dir, "k")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	defer func() { err = errors.Join(err, i.stop()) }()
	err = i.prepare(ctx, c.mft, dir)
	if err == nil {
		err = i.measure(ctx, &out[0], arrivals)
	}
	if err == nil {
		err = i.scans(ctx, &out[0])
	}
	if err == nil {
		err = i.measure(ctx, &out[1], marker)
	}
	if err != nil && ctx.Err() == nil {
		out[0].Why, out[1].Why, err = err.Error(), err.Error(), nil
	}
	return out, err
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
	if i.apart {
		i.alpha.Becomes, i.alpha.Exposed = strconv.Itoa(contender.AgentUser), strconv.Itoa(contender.NetworkUser)
		if err := own(i.alpha.Out(), contender.FilesUser); err != nil {
			return err
		}
	}
	if err := i.configure(arrivals); err != nil {
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

// own gives everything below dir to a user.
func own(dir string, user int) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, user, user)
	})
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
	as := ""
	if i.apart {
		as = fmt.Sprintf(", run_as: {user: %d, group: %d}", contender.FilesUser, contender.FilesUser)
	}
	for n := range i.channels {
		from := filepath.Join(i.alpha.Out(), channel(n))
		terms := when
		if strings.Contains(when, "%") {
			terms = fmt.Sprintf(when, from)
		}
		fmt.Fprintf(&text, "  - {name: %s, from: {agent: alpha, path: %s}, to: [{agent: beta, path: %s}], %s%s}\n",
			channel(n), from, filepath.Join(i.beta.In(), channel(n)), terms, as)
	}
	return i.alpha.Configure(text.String())
}

// measure weighs the agent with such channels.
func (i *idler) measure(ctx context.Context, to *result.Idle, when string) error {
	if err := i.restart(ctx, when); err != nil {
		return err
	}
	begun, err := i.settle(ctx)
	if err != nil {
		return err
	}
	after, seconds, err := i.use(ctx, i.seconds, begun)
	to.Start, to.CPU, to.Resident, to.Seconds = begun.CPU.Seconds(), after.CPU.Seconds()*1000/seconds, after.Resident, seconds
	return err
}

// restart starts the agent anew with such channels.
func (i *idler) restart(ctx context.Context, when string) error {
	if err := i.alpha.Stop(); err != nil {
		return err
	}
	if err := i.configure(when); err != nil {
		return err
	}
	return i.alpha.Start(ctx)
}

// use returns what the agent uses from now on, for so many seconds or a little longer.
func (i *idler) use(ctx context.Context, seconds float64, before meter.Tree) (meter.Tree, float64, error) {
	start := time.Now()
	if err := rest(ctx, time.Duration(seconds*float64(time.Second))); err != nil {
		return meter.Tree{}, 1, err
	}
	passed := time.Since(start).Seconds()
	after, err := i.weigh()
	after.CPU -= before.CPU
	return after, passed, err
}

// weigh weighs the agent: its process, or all of them.
func (i *idler) weigh() (t meter.Tree, err error) {
	pid := i.alpha.Running().PID()
	if i.apart {
		return meter.Weigh(pid)
	}
	t.Processes = 1
	if t.CPU, err = meter.Busy(pid); err == nil {
		t.Resident, err = meter.Resident(pid)
	}
	return t, err
}

// scans measures what looking at all files once more takes: what an agent uses that
// looks each rescan, beyond one that idles. A stretch of twice that time has two scans
// of each channel in it, wherever it begins, and one as long comes first, for the start.
func (i *idler) scans(ctx context.Context, to *result.Idle) error {
	const usual = 600.0
	rescan := 30.0
	if i.apart {
		rescan = 120 // processes come and go with each scan
	}
	if err := i.restart(ctx, fmt.Sprintf("when: {arrival: {rescan: %.0fs}}", rescan)); err != nil {
		return err
	}
	if err := rest(ctx, time.Duration(2*rescan)*time.Second); err != nil {
		return err
	}
	before, err := i.weigh()
	if err != nil {
		return err
	}
	with, seconds, err := i.use(ctx, 2*rescan, before)
	if err != nil {
		return err
	}
	to.Scan, to.Scans = max(0, 1000*with.CPU.Seconds()/seconds-to.CPU)*rescan/1000, usual
	return nil
}

// resting is how many processes an agent of several has when no channel needs one: who
// starts the others, the agent, and those for the network and the keys.
const resting = 4

// settle waits until the agent has done next to nothing for a few seconds, and has no
// process for a single channel any more: what comes with the start is not idling. It returns what
// has been used until then.
func (i *idler) settle(ctx context.Context) (last meter.Tree, err error) {
	const enough, little = 4, 100 * time.Millisecond
	for still := 0; still < enough; still++ {
		if err := rest(ctx, time.Second); err != nil {
			return last, err
		}
		now, err := i.weigh()
		if err != nil {
			return last, err
		}
		if now.CPU-last.CPU > little || now.Processes > resting {
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
