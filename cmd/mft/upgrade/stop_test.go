package upgrade

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/handover"
	"mft.dev/mft/agent/localapi/route"
	"mft.dev/mft/release"
	"mft.dev/mft/release/origin"
	"mft.dev/mft/release/place"
)

// A computer has a binary, and an agent that runs one. Its agent takes a step of
// its own whenever it is asked something, so that nothing depends on time.
type computer struct {
	t     *testing.T
	place *place.Place
	key   release.SigningKey

	version string // of the process that serves, or that waits for the end of a trial
	stage   stage
	waits   int // how often it is still asked before the next stage
	next    string
	binary  string // that is tried
	tried   string
	problem *route.Problem
	failed  int      // trials that came to nothing
	lives   []string // versions that took over
}

// A stage of an agent that is updated.
type stage int

const (
	serving  stage = iota
	draining       // it has an order to try next
	between        // nobody answers
	starting       // on trial, and not up
	up             // on trial
	changing       // nobody answers: what was tried stays
)

const trials = 3 // questions that a stage lasts

// program is the content of the binary of a version.
func program(version string) string { return "this is mft " + version }

func newComputer(t *testing.T) *computer {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mft")
	if err := os.WriteFile(path, []byte(program("0.1.0")), 0o755); err != nil {
		t.Fatal(err)
	}
	key, err := release.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return &computer{t: t, place: place.Of(path), key: key, version: "0.1.0"}
}

// read returns the version of the program at path; "" if there is none. Half a
// program there must not be.
func (c *computer) read(path string) string {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	version, whole := strings.CutPrefix(string(b), program(""))
	if err != nil || !whole || len(version) != len("0.1.0") {
		c.t.Errorf("%s has %q, %v, want a whole program", path, b, err)
	}
	return version
}

// State implements Agent.
func (c *computer) State(ctx context.Context) (handover.State, error) {
	if err := given(ctx); err != nil {
		return handover.State{}, err
	}
	c.advance()
	s := handover.State{Version: c.version, Executable: c.place.Binary, Ready: true, Tried: c.tried, Problem: c.problem}
	switch c.stage {
	case draining:
		s.Pending = c.next
	case between, changing:
		return handover.State{}, mft.Fail(mft.CodeNotRunning, "talk to the agent", "", nil)
	case starting, up:
		s = handover.State{Version: c.next, Executable: c.binary, Ready: c.stage == up, Trial: true}
	}
	return s, nil
}

// advance goes to the next stage when it is time.
func (c *computer) advance() {
	if c.stage == serving || c.stage == up {
		return
	}
	if c.waits--; c.waits > 0 {
		return
	}
	c.waits = trials
	switch c.stage {
	case draining:
		c.stage = between
	case between:
		c.stage = starting
		if got := c.read(c.binary); got != c.next {
			c.fails(fmt.Sprintf("its binary is of version %q", got))
		}
	case starting:
		c.stage = up
	case changing:
		c.stage, c.version = serving, c.read(c.place.Binary)
		c.lives = append(c.lives, c.version)
		if c.version != c.next {
			c.t.Errorf("version %s was accepted, and %q takes over", c.next, c.version)
		}
	}
}

func (c *computer) fails(why string) {
	c.stage, c.tried = serving, c.next
	c.failed++
	c.problem = route.ProblemOf(mft.Fail(mft.CodeTrial, "try", c.next, errors.New(why)))
}

// Try implements Agent, as package daemon does.
func (c *computer) Try(ctx context.Context, o handover.Order) error {
	if err := given(ctx); err != nil {
		return err
	}
	if c.stage != serving {
		return mft.Fail(mft.CodeBadState, "try version", c.next, errors.New("a version is to be tried already"))
	}
	m, _, err := release.Open(o.Manifest, []release.Key{c.key.Public()})
	if err != nil {
		return err
	}
	choice, err := m.Decide(release.Host{OS: runtime.GOOS, Arch: runtime.GOARCH, Version: c.version, Now: time.Now()})
	if err != nil {
		return err
	}
	c.binary = c.place.Binary
	if o.Staged {
		c.binary = c.place.Next
	}
	if err := place.Verify(c.binary, choice.Binary); err != nil {
		return err
	}
	c.stage, c.waits, c.next = draining, trials, m.Version
	return nil
}

// End implements Agent.
func (c *computer) End(ctx context.Context, accept bool) error {
	if err := given(ctx); err != nil {
		return err
	}
	switch {
	case c.stage != starting && c.stage != up:
		return mft.Fail(mft.CodeBadState, "end the trial", "", errors.New("there is none"))
	case accept && c.stage != up:
		c.t.Errorf("version %s was accepted before it was up", c.next)
	case accept:
		c.stage, c.waits = changing, trials
	default:
		c.fails("it was told that it may not stay")
	}
	return nil
}

// given fails for who does not wait any more, as a client does.
func given(ctx context.Context) error {
	if ctx.Err() != nil {
		return mft.Fail(mft.CodeCancelled, "talk to the agent", "", ctx.Err())
	}
	return nil
}

// publish makes a release and returns what finds it.
func (c *computer) publish(version string) func(step func(string)) (*Updater, *Found) {
	c.t.Helper()
	dir, text := c.t.TempDir(), program(version)
	sum := sha256.Sum256([]byte(text))
	sealed, err := release.Seal(release.Manifest{
		Version: version, Minimum: "0.1.0", Issued: time.Now().UTC().Truncate(time.Second), Expires: time.Now().UTC().Truncate(time.Second).Add(time.Hour),
		Binaries: []release.Binary{{OS: runtime.GOOS, Arch: runtime.GOARCH, File: "mft", Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])}},
	}, c.key)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "release.mft"), sealed, 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "mft"), []byte(text), 0o600)
	}
	from, e := origin.New(dir, nil)
	if err = errors.Join(err, e); err != nil {
		c.t.Fatal(err)
	}
	return func(step func(string)) (*Updater, *Found) {
		u := &Updater{
			Version: c.read(c.place.Binary), Place: c.place, From: from, Keys: []release.Key{c.key.Public()}, Agent: c,
			Note: func(string, ...any) {}, Now: time.Now, step: step,
		}
		f, err := u.Find(c.t.Context(), "")
		if err != nil {
			c.t.Fatal(err)
		}
		return u, f
	}
}

// stopped runs an update that is killed at a step, or told to end, and reports how
// often that was reached.
func stopped(t *testing.T, find func(func(string)) (*Updater, *Found), at string, kill bool, harm func()) (reached bool) {
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		defer close(done)
		u, f := find(func(step string) {
			if step != at {
				return
			}
			reached = true
			harm()
			cancel()
			if kill {
				runtime.Goexit() // nothing that comes behind it is done
			}
		})
		_ = u.Install(ctx, f)
	}()
	<-done
	return reached
}

// TestStops kills an update at each of its steps, or tells it to end, lets the agent go on in each of
// the ways in which it may, and updates again: to the same release, or to one that
// came out meanwhile. There always is a binary that runs, and the second update
// comes to its end.
func TestStops(t *testing.T) {
	steps := []struct {
		name, at string
		harm     func(*place.Place) error // what of the step behind it was done already
	}{
		{"nothing done", "", nil},
		{"staged", "staged", nil},
		{"ordered", "ordered", nil},
		{"on trial", "up", nil},
		{"the old one kept", "up", func(p *place.Place) error { return os.Link(p.Binary, p.Previous) }},
		{"renamed", "up", func(p *place.Place) error { return os.Rename(p.Next, p.Binary) }},
		{"swapped", "swapped", nil},
		{"accepted", "accepted", nil},
	}
	ways := []struct {
		name string
		do   func(c *computer)
	}{
		{"at once", func(*computer) {}},
		{"a moment later", func(c *computer) { c.advance() }},
		{"when nobody answers", func(c *computer) { c.until(between) }},
		{"while it starts", func(c *computer) { c.until(starting) }},
		{"when it is up", func(c *computer) { c.until(up) }},
		{"when the trial was over", func(c *computer) {
			c.until(up)
			if c.stage == up {
				c.fails("nobody said that it may stay")
			}
		}},
		{"when the agent was killed too", func(c *computer) {
			c.stage, c.version, c.tried, c.problem = serving, c.read(c.place.Binary), "", nil
		}},
	}
	for _, step := range steps {
		for _, way := range ways {
			for n := range 4 {
				newer, kill := n&1 != 0, n&2 != 0
				t.Run(fmt.Sprintf("%s/%s/newer %v, killed %v", step.name, way.name, newer, kill), func(t *testing.T) {
					c := newComputer(t)
					find := c.publish("0.2.0")
					reached := step.at != "" && stopped(t, find, step.at, kill, func() {
						if step.harm == nil {
							return
						}
						if err := step.harm(c.place); err != nil {
							t.Error(err)
						}
					})
					if reached != (step.at != "") {
						t.Fatalf("the step was reached: %v", reached)
					}
					way.do(c)
					failed, placed := c.failed, c.read(c.place.Binary) == "0.2.0"
					want := "0.2.0"
					if newer {
						want = "0.3.0"
						find = c.publish(want)
					}
					if got := c.read(c.place.Binary); got != "0.1.0" && got != "0.2.0" {
						t.Errorf("the binary is of version %q", got)
					}
					u, f := find(func(string) {})
					if err := u.Install(t.Context(), f); err != nil {
						t.Errorf("the second update = %v", err)
					}
					if got := c.read(c.place.Binary); got != want || c.version != want || c.stage != serving {
						t.Errorf("the binary is of version %q, and %q runs (stage %d), want %s", got, c.version, c.stage, want)
					}
					if !newer && c.failed > failed {
						t.Error("it started over, and had not to")
					}
					if placed && step.at != "" && way.name == "when it is up" && !slices.Contains(c.lives, "0.2.0") {
						t.Error("what had come up and was in its place did not take over")
					}
					if left, err := filepath.Glob(filepath.Join(filepath.Dir(c.place.Binary), "*.next")); err != nil || len(left) > 0 {
						t.Errorf("there is %q, %v", left, err)
					}
				})
			}
		}
	}
}

// A late agent is told to try a version by an update that was interrupted, right
// before it is told by the next one.
type late struct {
	*computer
	order handover.Order
	gone  bool // by then nobody answers
}

func (l *late) Try(ctx context.Context, o handover.Order) error {
	if first := l.order; first.Manifest != nil {
		l.order = handover.Order{}
		if err := l.computer.Try(ctx, first); err != nil {
			l.t.Errorf("the order before: %v", err)
		}
		if l.gone {
			l.until(between)
			return mft.Fail(mft.CodeNotRunning, "talk to the agent", "", nil)
		}
	}
	return l.computer.Try(ctx, o)
}

func TestLateOrder(t *testing.T) {
	for _, gone := range []bool{false, true} {
		c := newComputer(t)
		u, f := c.publish("0.2.0")(func(string) {})
		u.Agent = &late{c, handover.Order{Manifest: f.sealed, Staged: true}, gone}
		if err := u.Install(t.Context(), f); err != nil {
			t.Errorf("gone %v: the update = %v", gone, err)
		}
		if got := c.read(c.place.Binary); got != "0.2.0" || c.version != got || c.stage != serving || c.failed > 0 {
			t.Errorf("gone %v: the binary is of version %q, and %q runs (stage %d, %d failed)", gone, got, c.version, c.stage, c.failed)
		}
	}
}

// until has the agent go on to a stage, if it comes there by itself.
func (c *computer) until(s stage) {
	for range 10 * trials {
		if c.stage == s {
			return
		}
		c.advance()
	}
}
