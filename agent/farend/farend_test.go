package farend

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/marking"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A pipe is a conversation of an asker with a keeper.
type pipe struct {
	keeper Keeper
	speaks uint8
	asked  *atomic.Int64
	said   chan *protocol.Envelope
	gone   chan struct{}
}

func (p *pipe) Speaks() uint8 { return p.speaks }
func (p *pipe) Close() {
	select {
	case <-p.gone:
	default:
		close(p.gone)
	}
}

func (p *pipe) Send(_ context.Context, kind protocol.Kind, body []byte) error {
	if kind == protocol.KindMarkers {
		p.asked.Add(1)
		go func() {
			_ = p.keeper.Answer(context.Background(), (*otherEnd)(p), &protocol.Envelope{Sender: "alpha", Kind: kind, Body: body})
		}()
	}
	return nil
}

func (p *pipe) Receive(ctx context.Context) (*protocol.Envelope, error) {
	select {
	case e := <-p.said:
		return e, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// otherEnd is that of the keeper.
type otherEnd pipe

func (p *otherEnd) Speaks() uint8 { return protocol.VersionMarkers }
func (p *otherEnd) Close()        {}
func (p *otherEnd) Send(_ context.Context, kind protocol.Kind, body []byte) error {
	p.said <- &protocol.Envelope{Kind: kind, Body: body}
	return nil
}

func (p *otherEnd) Receive(ctx context.Context) (*protocol.Envelope, error) {
	select {
	case <-p.gone:
		return nil, errors.New("the conversation is over")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// host makes an asker with a trigger and a block at a keeper that names both.
func host(t *testing.T, speaks uint8) (a *Asker, trigger, block Mark, asked *atomic.Int64) {
	t.Helper()
	dir := t.TempDir()
	trigger = Mark{Agent: "beta", Channel: "nightly", Kind: mft.MarkerTrigger, Path: filepath.Join(dir, "ready")}
	block = Mark{Agent: "beta", Channel: "nightly", Kind: mft.MarkerBlock, Path: filepath.Join(dir, "busy")}
	keeper := Keeper{Now: time.Now, Grants: func(mft.AgentName) []mft.Grant {
		return []mft.Grant{{Agent: "alpha", Root: dir, Markers: []mft.Marker{
			{Kind: mft.MarkerTrigger, Path: trigger.Path}, {Kind: mft.MarkerBlock, Path: block.Path}, {Kind: mft.MarkerCompletion, Path: filepath.Join(dir, "done")},
		}}}
	}}
	asked = &atomic.Int64{}
	a = NewAsker(Config{
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Open: func(context.Context, mft.AgentName, mft.TransferID) (Conversation, error) {
			return &pipe{keeper: keeper, speaks: speaks, asked: asked, said: make(chan *protocol.Envelope, 1), gone: make(chan struct{})}, nil
		},
	}, []Mark{trigger, block})
	return a, trigger, block, asked
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestFollow sees markers come and go, and asks no more often than it has to.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, trigger, block, asked := host(t, protocol.VersionMarkers)
		if a.Look(block).Barred == nil {
			t.Error("it knows before it has asked")
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { a.Run(ctx); close(done) }()
		sees := func(when string, m Mark, want bool) {
			t.Helper()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if s := a.Look(m); s.There != want || s.Away != nil || s.Barred != nil {
				t.Errorf("%s: %+v, want %v", when, s, want)
			}
		}
		sees("nothing is there", block, false)
		touch(t, block.Path)
		sees("the block is there", block, true)
		if err := os.Remove(block.Path); err != nil {
			t.Fatal(err)
		}
		sees("the block has gone", block, false)
		before := asked.Load()
		time.Sleep(10 * time.Minute)
		if n := asked.Load() - before; n > 21 {
			t.Errorf("%d questions in ten minutes without news", n)
		}
		touch(t, trigger.Path)
		sees("the trigger is there", trigger, true)
		if taken, err := a.Do(ctx, marking.Take, trigger); !taken || err != nil {
			t.Errorf("Take: %v, %v", taken, err)
		}
		touch(t, trigger.Path) // a new one, at once
		sees("it was taken", trigger, true)
		if _, err := a.Do(ctx, marking.Drop, trigger); err != nil {
			t.Error(err)
		}
		sees("the new one is there", trigger, true)
		if err := os.Remove(trigger.Path); err != nil {
			t.Fatal(err)
		}
		sees("it was withdrawn", trigger, false)
		cancel()
		<-done
		time.Sleep(time.Minute) // what the keeper still holds
	})
}

// TestOlderPeer is not asked at all: it would end the connection.
func TestOlderPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, block, asked := host(t, 1)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { a.Run(ctx); close(done) }()
		time.Sleep(time.Minute)
		s := a.Look(block)
		if mft.CodeOf(s.Barred) != mft.CodeVersion || !strings.Contains(s.Barred.Error(), "update it") {
			t.Errorf("%+v, want it to say that the peer is too old", s)
		}
		if n := asked.Load(); n != 0 {
			t.Errorf("it was asked %d times", n)
		}
		cancel()
		<-done
	})
}

// TestKeeperRefuses asks for what the file of the host does not name, or not for that.
func TestKeeperRefuses(t *testing.T) {
	a, trigger, block, _ := host(t, protocol.VersionMarkers)
	dir := filepath.Dir(block.Path)
	done := Mark{Agent: "beta", Channel: "nightly", Kind: mft.MarkerCompletion, Path: filepath.Join(dir, "done")}
	with := func(m Mark, kind mft.MarkerKind, path string) Mark { m.Kind, m.Path = kind, path; return m }
	for name, c := range map[string]struct {
		deed marking.Deed
		mark Mark
	}{
		"another path":            {marking.Place, with(done, done.Kind, filepath.Join(dir, "other"))},
		"above it":                {marking.Place, with(done, done.Kind, filepath.Join(dir, "..", "done"))},
		"beside a directory":      {marking.Look, with(block, block.Kind, dir)},
		"a block as a completion": {marking.Place, with(block, mft.MarkerCompletion, block.Path)},
		"a completion as a block": {marking.Look, with(done, mft.MarkerBlock, done.Path)},
		"to remove a completion":  {marking.Remove, done},
		"to look at a completion": {marking.Look, done},
		"to make a block":         {marking.Place, block},
		"to remove a block":       {marking.Remove, block},
		"to take a block":         {marking.Take, block},
		"to make a trigger":       {marking.Place, trigger},
		"to remove a trigger":     {marking.Remove, trigger},
	} {
		if _, err := a.Do(t.Context(), c.deed, c.mark); mft.CodeOf(err) != mft.CodeNotAllowed {
			t.Errorf("%s: %v, want code NOT_ALLOWED", name, err)
		}
	}
	if _, err := a.Do(t.Context(), marking.Place, with(done, done.Kind, dir+"/./done")); err != nil {
		t.Errorf("the same path in other words: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || entries[0].Name() != "done" {
		t.Errorf("there is %v, %v", entries, err)
	}
}

// TestTriggersOfTwoPeers has two channels of one name at one trigger: each run takes one.
func TestTriggersOfTwoPeers(t *testing.T) {
	_, trigger, _, _ := host(t, protocol.VersionMarkers)
	grants := []mft.Grant{{Markers: []mft.Marker{{Kind: mft.MarkerTrigger, Path: trigger.Path}}}}
	k := Keeper{Now: time.Now}
	q := marking.Question{Deed: marking.Take, Kind: mft.MarkerTrigger, Channel: "nightly", Path: trigger.Path}
	touch(t, trigger.Path)
	for i, want := range []marking.State{marking.Taken, marking.Absent} {
		peer := []mft.AgentName{"alpha", "gamma"}[i]
		if got, err := k.one(t.Context(), peer, grants, q); got != want || err != nil {
			t.Errorf("%s takes it: %d, %v; want %d", peer, got, err, want)
		}
	}
}

func TestBlocked(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "busy")
	grants := []mft.Grant{{Root: "/srv/in", Markers: []mft.Marker{{Kind: mft.MarkerBlock, Path: path}, {Kind: mft.MarkerFailure, Path: dir}}}, {Root: "/srv"}}
	for _, there := range []bool{false, true} {
		for _, c := range []struct {
			landing journal.Landing
			held    bool
		}{
			{journal.Landing{Root: "/srv/in"}, true},
			{journal.Landing{Root: "/srv/in", Dir: "a/b", Name: "c"}, true},
			{journal.Landing{Root: "/srv", Dir: "in/a"}, true},
			{journal.Landing{Root: "/srv", Dir: "inner"}, false},
			{journal.Landing{Root: "/srv"}, false},
		} {
			err := (Keeper{}).Blocked(t.Context(), "erp", grants, c.landing)
			if (err != nil) != (there && c.held) || err != nil && (mft.CodeOf(err) != mft.CodeBlocked || !mft.CodeOf(err).Retryable()) {
				t.Errorf("Blocked(%+v), the marker there: %v: %v", c.landing, there, err)
			}
		}
		touch(t, path)
	}
	grants[0].Markers[0].Path = filepath.Join(dir, "none", "busy")
	if err := (Keeper{}).Blocked(t.Context(), "erp", grants, journal.Landing{Root: "/srv/in"}); mft.CodeOf(err) != mft.CodeBlocked {
		t.Errorf("a marker that cannot be looked at: %v", err)
	}
}

// TestEndsBecomeOthers: markers that are asked for from now on are learned of, and those of
// before are not asked for any more.
func TestEndsBecomeOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, trigger, block, asked := host(t, protocol.VersionMarkers)
		e := NewEnds(a.c)
		ctx, cancel := context.WithCancel(t.Context())
		e.Start(ctx)
		time.Sleep(time.Minute)
		if n := asked.Load(); n != 0 {
			t.Errorf("%d questions about nothing", n)
		}
		touch(t, block.Path)
		touch(t, trigger.Path)
		for _, marks := range [][]Mark{{block}, {trigger, block}, {block, trigger}, {trigger}} {
			e.Know(marks)
			time.Sleep(2 * time.Second)
			synctest.Wait()
			for _, m := range marks {
				if s := e.Look(m); !s.There || s.Away != nil {
					t.Errorf("of %v it knows %+v, want that it is there", m, s)
				}
			}
		}
		cancel()
		e.Stop()
		time.Sleep(time.Minute) // what the keeper still holds
	})
}
