package worker

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/departure/clearing"
	"mft.dev/mft/agent/worker/errand"
	"mft.dev/mft/internal/post"
	"mft.dev/mft/internal/watch"
	"mft.dev/mft/trigger/marker"
)

// attended returns the agent's end of an errand of a worker for root and marks.
func attended(t *testing.T, o errand.Order, root, marks string) *errand.Port {
	t.Helper()
	here, there, err := post.Pair()
	if err != nil {
		t.Skip(err)
	}
	conn, err := post.Open(there)
	if err != nil {
		t.Fatal(err)
	}
	seat, port := &Seat{Read: []string{root}, Write: []string{marks}}, errand.New(here)
	var both sync.WaitGroup
	both.Go(func() { seat.do(context.Background(), errand.New(conn), nil) })
	both.Go(func() { _ = port.Run(func(errand.Said) error { return nil }) })
	t.Cleanup(func() {
		port.Close()
		both.Wait()
	})
	if err := port.Tell(errand.KindOrder, o); err != nil {
		t.Fatal(err)
	}
	return port
}

// TestMarksElsewhere: whatever the agent says, a worker makes and looks at markers in the
// directories that it was started for and in no others, and in an errand about markers only.
func TestMarksElsewhere(t *testing.T) {
	root, marks, other := t.TempDir(), t.TempDir(), t.TempDir()
	attend := errand.Order{Task: errand.TaskAttend}
	for _, tt := range []struct {
		name       string
		o          errand.Order
		root, path string
		fine       bool
	}{
		{"its own", attend, root, filepath.Join(marks, "done"), true},
		{"elsewhere", attend, root, filepath.Join(other, "done"), false},
		{"by a way around", attend, root, marks + "/../" + filepath.Base(other) + "/done", false},
		{"in the tree of another", attend, other, filepath.Join(marks, "done2"), false},
		{"in another errand", errand.Order{Task: errand.TaskWatch, Source: &errand.Source{Root: root}}, root, filepath.Join(marks, "done3"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			port := attended(t, tt.o, root, marks)
			_, err := port.Ask(t.Context(), errand.KindMark, errand.Mark{Root: tt.root, Order: marker.Order{Deed: marker.Place, Path: tt.path, Now: 1}}, nil)
			if _, serr := os.Lstat(tt.path); (err == nil) != tt.fine || (serr == nil) != tt.fine {
				t.Errorf("Place: %v, and %v; want %v", err, serr, tt.fine)
			}
		})
	}
}

// TestSourceElsewhere: a worker looks at no source that it was not started for.
func TestSourceElsewhere(t *testing.T) {
	root, other := t.TempDir(), t.TempDir()
	for _, task := range []errand.Task{errand.TaskLook, errand.TaskWatch, errand.TaskSound, errand.TaskRead, errand.TaskWhole} {
		d := &doing{seat: &Seat{Read: []string{root}}}
		err := d.attend(t.Context(), &errand.Order{Task: task, Source: &errand.Source{Root: other, Paths: []string{"f"}}})
		if mft.CodeOf(err) != mft.CodeNotAllowed {
			t.Errorf("task %d: %v, want NOT_ALLOWED", task, err)
		}
	}
}

// TestSceneElsewhere: a worker says what is at destinations that it was started for.
func TestSceneElsewhere(t *testing.T) {
	d := &doing{seat: &Seat{Read: []string{t.TempDir()}}}
	_, err := d.run(t.Context(), &errand.Order{Task: errand.TaskScene, Scene: &errand.Scene{Root: t.TempDir()}})
	if mft.CodeOf(err) != mft.CodeNotAllowed {
		t.Errorf("%v, want NOT_ALLOWED", err)
	}
}

// TestClearElsewhere: a worker has files leave the sources that it was started to write to,
// into the archives that it was started for.
func TestClearElsewhere(t *testing.T) {
	source, archive, other := t.TempDir(), t.TempDir(), t.TempDir()
	d := &doing{seat: &Seat{Read: []string{other}, Write: []string{source, archive}}}
	for _, tt := range []struct {
		name, root, archive string
		code                mft.Code
	}{
		{"its own", source, archive, ""},
		{"a source that it only reads", other, "", mft.CodeNotAllowed},
		{"another archive", source, other, mft.CodeNotAllowed},
	} {
		_, err := d.run(t.Context(), &errand.Order{
			Task: errand.TaskClear, Source: &errand.Source{Root: tt.root}, Clear: &clearing.Order{Archive: tt.archive},
		})
		if (err != nil) != (tt.code != "") || err != nil && mft.CodeOf(err) != tt.code {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.code)
		}
	}
}

// TestWatchEnds: who watches a source at which nothing happens leaves that to the kernel, and
// ends.
func TestWatchEnds(t *testing.T) {
	dir := t.TempDir()
	here, there, err := post.Pair()
	if err != nil {
		t.Skip(err)
	}
	conn, err := post.Open(there)
	if err != nil {
		t.Fatal(err)
	}
	agent, took := errand.New(here), make(chan *os.File, 1)
	d := &doing{seat: &Seat{Read: []string{dir}}, port: errand.New(conn), quiet: time.Millisecond}
	var both sync.WaitGroup
	both.Go(func() {
		_ = agent.Run(func(s errand.Said) error {
			if s.Kind != errand.KindWatched {
				return nil
			}
			took <- s.File
			return agent.Answer(s.ID, nil, nil, nil)
		})
	})
	both.Go(func() { _ = d.port.Run(func(errand.Said) error { return nil }) })
	if err := d.attend(t.Context(), &errand.Order{Task: errand.TaskWatch, Source: &errand.Source{Root: dir}}); err != nil {
		t.Errorf("it ends with %v", err)
	}
	f := <-took
	defer f.Close()
	if err := watch.Check(f); err != nil || watch.Happened(f) {
		t.Errorf("what it leaves: %v, %t", err, watch.Happened(f))
	}
	if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o600); err != nil || !watch.Happened(f) {
		t.Errorf("a new file, %v, is noticed: %t", err, watch.Happened(f))
	}
	agent.Close()
	d.port.Close()
	both.Wait()
}

// TestVigilElsewhere: a worker keeps watch of directories that it was started for.
func TestVigilElsewhere(t *testing.T) {
	d := &doing{seat: &Seat{Write: []string{t.TempDir()}}} // without a port: to give something would end the test
	d.keepWatch(t.Context(), []string{d.seat.Write[0], t.TempDir()})
	d.keepWatch(t.Context(), nil)
}
