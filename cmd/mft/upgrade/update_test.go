package upgrade

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mft.dev/mft"
	"mft.dev/mft/agent/handover"
	"mft.dev/mft/agent/localapi/route"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An agent says one thing of itself after the other, and the last for good.
type agent struct {
	handover.Program // nothing else is asked

	mu   sync.Mutex // guards says
	says []handover.State
}

func (a *agent) State(context.Context) handover.State {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.says[0]
	if len(a.says) > 1 {
		a.says = a.says[1:]
	}
	return s
}

// serve returns a client of a.
func serve(t *testing.T, a *agent) *handover.Client {
	t.Helper()
	path := handover.SocketBeside(filepath.Join(t.TempDir(), "agent.sock"))
	ln, err := handover.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- handover.Serve(ctx, ln, a) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return handover.NewClient(path)
}

// TestAwait has an agent of version 0.1.0 try 0.3.0.
func TestAwait(t *testing.T) {
	problem := func(why string) *route.Problem {
		return route.ProblemOf(mft.Fail(mft.CodeTrial, "try", "mft.next", errors.New(why)))
	}
	pending := handover.State{Version: "0.1.0", Ready: true, Pending: "0.3.0"}
	again := pending
	again.Tried, again.Problem = "0.3.0", problem("the trial before")
	failed := handover.State{Version: "0.1.0", Ready: true, Tried: "0.3.0", Problem: problem("this trial")}
	up := handover.State{Version: "0.3.0", Ready: true, Trial: true}
	for _, tt := range []struct {
		name string
		says []handover.State
		want string // in the error, "" for none
	}{
		{"comes up", []handover.State{pending, {Version: "0.3.0", Trial: true}, up}, ""},
		{"fails", []handover.State{pending, failed}, "this trial"},
		{"fails as one before", []handover.State{again, again, failed}, "this trial"},
		{"comes up where one before failed", []handover.State{again, up}, ""},
		{"agent started anew", []handover.State{pending, {Version: "0.1.0", Ready: true}}, "started anew"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			u := &Updater{Version: "0.1.0", Agent: serve(t, &agent{says: tt.says})}
			err := u.await(ctx, &Found{Version: "0.3.0"}, true)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("await = %v, want the version up", err)
			case tt.want != "" && (mft.CodeOf(err) != mft.CodeTrial || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("await = %v, want code %s and %q", err, mft.CodeTrial, tt.want)
			}
		})
	}
}
