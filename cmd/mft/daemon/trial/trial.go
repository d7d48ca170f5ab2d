// Package trial runs another version of mft beside this process, which waits
// and takes over again if that version does not come up.
//
// Both ends of the agreement between two versions are here, and it never
// changes: the version on trial is started like this one with --on-trial; it
// says "ready VERSION" in a line on its standard output once its journal is open and it
// listens, and "accepted" or "rejected" when it was told so; it ends when its
// standard input does. [Guard] is the end of the version before, [Subject] that
// of the one on trial.
package trial

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"mft.dev/mft"
)

// Flag starts an agent on trial.
const Flag = "on-trial"

// What the version on trial says.
const (
	lineReady    = "ready"
	lineAccepted = "accepted"
	lineRejected = "rejected"
)

// maxLine is how much of one line is looked at.
const maxLine = 4096

// A Guard runs one version on trial.
type Guard struct {
	// Binary is started with Args, the words of this process's command line
	// without the first, and Env.
	Binary    string
	Args, Env []string
	// Version is what it must say that it is.
	Version string
	// Errs gets what the version writes to its standard error, as it comes.
	Errs io.Writer
	// Ready is how long the version may take to come up, Accept how long it is
	// then waited for a verdict, and Stop how long it may take to end.
	Ready, Accept, Stop time.Duration
}

// Run starts the version and blocks until it has ended again. It returns nil if
// it came up and was accepted; else the error is mft.CodeTrial and says why.
func (g Guard) Run(ctx context.Context) error {
	const op = "try"
	last := &lastLine{to: g.Errs}
	cmd := exec.Command(g.Binary, append(slices.Clone(g.Args), "--"+Flag)...)
	cmd.Env = withoutManager(g.Env)
	cmd.Stderr = last
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return mft.Fail(mft.CodeTrial, op, g.Binary, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return mft.Fail(mft.CodeTrial, op, g.Binary, errors.Join(err, stdin.Close()))
	}
	if err := cmd.Start(); err != nil {
		return mft.Fail(mft.CodeTrial, op, g.Binary, errors.Join(err, stdin.Close(), stdout.Close()))
	}
	said := make(chan string)
	go read(stdout, said)
	accepted, why := g.watch(ctx, said)
	stdin.Close()
	kill := time.AfterFunc(g.Stop, func() { _ = cmd.Process.Kill() })
	for range said { // until its output ends
	}
	err = cmd.Wait()
	if !kill.Stop() {
		why = errors.Join(why, errors.New("it did not end when it was told to, and was killed"))
	}
	switch {
	case accepted:
		return nil // it has shown what it had to; how it ended is no matter
	case why != nil:
		return mft.Fail(mft.CodeTrial, op, g.Binary, why)
	case last.String() != "":
		return mft.Fail(mft.CodeTrial, op, g.Binary, fmt.Errorf("it ended (%s) after: %s", ended(err), last))
	}
	return mft.Fail(mft.CodeTrial, op, g.Binary, fmt.Errorf("it ended (%s) and said nothing", ended(err)))
}

// ended says how a process ended.
func ended(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// watch waits for what the version says. Without a reason it has ended by
// itself.
func (g Guard) watch(ctx context.Context, said <-chan string) (accepted bool, why error) {
	timer := time.NewTimer(g.Ready)
	defer timer.Stop()
	late := fmt.Errorf("it was not ready within %s", g.Ready)
	for {
		select {
		case <-ctx.Done():
			return false, errors.New("this agent was told to end")
		case <-timer.C:
			return false, late
		case line, more := <-said:
			switch {
			case !more:
				return false, nil
			case strings.HasPrefix(line, lineReady+" ") && line != lineReady+" "+g.Version:
				return false, fmt.Errorf("it says that it is version %q, and not %s", strings.TrimPrefix(line, lineReady+" "), g.Version)
			case line == lineReady+" "+g.Version:
				late = fmt.Errorf("it was ready, and nobody said within %s that it may stay", g.Accept)
				timer.Reset(g.Accept)
			case line == lineAccepted:
				return true, nil
			case line == lineRejected:
				return false, errors.New("it was ready, and was told that it may not stay")
			}
		}
	}
}

// read passes the lines of r on, and closes said when there are no more.
func read(r io.Reader, said chan<- string) {
	defer close(said)
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxLine)
	for in.Scan() {
		said <- in.Text()
	}
	_, _ = io.Copy(io.Discard, r) // a line too long says nothing
}

// withoutManager takes away by what a process tells its service manager of
// itself: that is for the one that waits.
func withoutManager(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		return strings.HasPrefix(v, "NOTIFY_SOCKET=") || strings.HasPrefix(v, "WATCHDOG_")
	})
}

// A lastLine passes on what is written and keeps the last line of it.
type lastLine struct {
	to io.Writer

	mu   sync.Mutex // guards line and over
	line []byte
	over bool // line has ended
}

func (l *lastLine) Write(b []byte) (int, error) {
	l.mu.Lock()
	for _, c := range b {
		if c == '\n' {
			l.over = true
			continue
		}
		if l.over {
			l.line, l.over = l.line[:0], false
		}
		if len(l.line) < maxLine {
			l.line = append(l.line, c)
		}
	}
	l.mu.Unlock()
	return l.to.Write(b)
}

func (l *lastLine) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.line)
}

// A Subject is this process when it is on trial.
type Subject struct {
	in  *os.File
	out io.Writer

	once sync.Once
}

// NewSubject returns a subject that is told by in that its trial is over.
func NewSubject(in *os.File, out io.Writer) *Subject { return &Subject{in: in, out: out} }

// Ended blocks until the trial is over or ctx ends.
func (s *Subject) Ended(ctx context.Context) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = io.Copy(io.Discard, s.in)
	}()
	select {
	case <-over:
	case <-ctx.Done():
		s.in.Close() // ends the copying; where that does not help, the process ends soon
	}
}

// Ready says that this version has come up.
func (s *Subject) Ready(version string) error { return s.say(lineReady + " " + version) }

// End passes a verdict on, once.
func (s *Subject) End(accept bool) error {
	err := mft.Fail(mft.CodeBadState, "end the trial", "", errors.New("it has ended already"))
	s.once.Do(func() {
		line := lineRejected
		if accept {
			line = lineAccepted
		}
		err = s.say(line)
	})
	return err
}

func (s *Subject) say(line string) error {
	if _, err := io.WriteString(s.out, line+"\n"); err != nil {
		return mft.Fail(mft.CodeDisconnected, "tell the version before", line, err)
	}
	return nil
}
