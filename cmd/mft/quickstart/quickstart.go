package quickstart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/progress"
	"mft.dev/mft/internal/confine/filesys"
)

// Options are what Run needs.
type Options struct {
	// Dir holds everything; it is made if need be.
	Dir string
	// Once ends Run after the first file, the sample or another one, that was
	// delivered and checked.
	Once bool
	// BreakLink moves two more files: one while the agents cannot reach each
	// other, through a shared folder, and one after that.
	BreakLink bool
	// Program and Name start mft: the file to execute and what it is told to
	// be called.
	Program, Name string
	// Out gets the story.
	Out io.Writer
}

// channelName is the channel from outbox to inbox.
const channelName = "outbox-to-inbox"

// patience is how long any one step may take before Run gives up on it.
const patience = 60 * time.Second

// A show is one run.
type show struct {
	Options
	alpha, beta *host
	died        func(error) // an agent ended by itself
}

// Run sets up the two agents and tells of files until ctx ends, which is no
// error, or with Once until the first one has arrived. Every other return has
// the reason; its code is that of the transfer that failed, if one did.
func Run(ctx context.Context, o Options) (err error) {
	s := &show{Options: o}
	if err := s.prepare(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer func() { err = errors.Join(err, s.alpha.stop(), s.beta.stop()) }()
	s.died = func(err error) { cancel(err) }
	for _, h := range []*host{s.beta, s.alpha} {
		if err := setUp(ctx, h.cfg); err != nil {
			return err
		}
		if err := h.start(o.Program, o.Name, s.died); err != nil {
			return err
		}
	}
	err = s.perform(ctx)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause // an agent ended, which is why the rest failed
	}
	if ctx.Err() != nil && !s.Once {
		return nil
	}
	return err
}

func (s *show) perform(ctx context.Context) error {
	for _, h := range []*host{s.beta, s.alpha} {
		if err := h.await(ctx); err != nil {
			return err
		}
	}
	if err := s.pair(ctx); err != nil {
		return err
	}
	s.say("two agents run: alpha on %s, beta on %s", s.alpha.cfg.Agent.Listen, s.beta.cfg.Agent.Listen)
	s.hint()
	if s.BreakLink {
		return s.breakLink(ctx)
	}
	seen, err := s.last(ctx)
	if err != nil {
		return err
	}
	if err := s.offer(); err != nil {
		return err
	}
	return s.watch(ctx, seen)
}

// offer puts a sample into the outbox and says so.
func (s *show) offer() error {
	sample, err := s.dropSample()
	if err != nil {
		return err
	}
	s.say("\n%s is in the outbox now\n", progress.Plain(filepath.Base(sample)))
	return nil
}

// prepare makes directories and configurations, or takes what is there.
func (s *show) prepare() error {
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		return mft.Fail(mft.CodeIO, "find directory", s.Dir, err)
	}
	s.alpha, s.beta = newHost("alpha", dir), newHost("beta", dir)
	for _, d := range []string{dir, s.alpha.dir, s.beta.dir, s.outbox(), s.inbox()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return mft.Fail(filesys.CodeFor(err), "make directory", d, filesys.Cause(err))
		}
	}
	folder := ""
	if s.BreakLink {
		folder = filepath.Join(dir, "exchange")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return mft.Fail(filesys.CodeFor(err), "make directory", folder, filesys.Cause(err))
		}
	}
	err = s.alpha.configure(folder, mft.Channel{
		Name:      channelName,
		From:      mft.Endpoint{Agent: "alpha", Path: s.outbox()},
		To:        []mft.Endpoint{{Agent: "beta", Path: s.inbox()}},
		When:      []mft.Trigger{{Kind: mft.TriggerArrival, Stable: 500 * time.Millisecond, Rescan: 10 * time.Second}},
		Overwrite: mft.OverwriteReplace,
	})
	if err != nil {
		return err
	}
	return s.beta.configure(folder)
}

func (s *show) outbox() string { return filepath.Join(s.alpha.dir, "outbox") }
func (s *show) inbox() string  { return filepath.Join(s.beta.dir, "inbox") }

func (s *show) say(format string, args ...any) { fmt.Fprintf(s.Out, format+"\n", args...) }

// pair lets the agents trust each other, by the way that two operators take,
// unless they do and know where to find each other.
func (s *show) pair(ctx context.Context) error {
	if s.alpha.knows(ctx, s.beta) && s.beta.knows(ctx, s.alpha) {
		return nil
	}
	invite, err := s.beta.client.Invite(ctx, localapi.InviteOrder{
		Address: s.beta.cfg.Agent.Listen, PeerGrant: localapi.PeerGrant{FilesInto: s.inbox()},
	})
	if err != nil {
		return fmt.Errorf("inviting: %w", err)
	}
	if _, err := s.alpha.client.Join(ctx, localapi.JoinOrder{Line: invite.Line, PeerGrant: localapi.PeerGrant{RequestsRoot: s.outbox()}}); err != nil {
		return fmt.Errorf("joining: %w", err)
	}
	s.say("paired: alpha joined beta with the one-time secret of mft invite")
	return nil
}

// A position is how far the events of both agents are known.
type position struct{ alpha, beta int64 }

// last returns the position of now.
func (s *show) last(ctx context.Context) (position, error) {
	var p position
	errAlpha := s.alpha.client.Events(ctx, 0, false, func(e localapi.Event) error { p.alpha = e.Seq; return nil })
	errBeta := s.beta.client.Events(ctx, 0, false, func(e localapi.Event) error { p.beta = e.Seq; return nil })
	return p, errors.Join(errAlpha, errBeta)
}

// hint says what to do with it.
func (s *show) hint() {
	s.say("\noutbox   %s", progress.Plain(s.outbox()))
	s.say("inbox    %s", progress.Plain(s.inbox()))
	if !s.Once {
		s.say("\nWhatever you put into the outbox appears in the inbox. Ctrl-C ends it; started again")
		s.say("it goes on where it was. To look at alpha from another terminal:")
		s.say("  MFT_CONFIG=%s mft status", progress.Plain(s.alpha.file()))
	}
}
