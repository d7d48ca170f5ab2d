package follow

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/exit"
)

var (
	idOne = mft.TransferID{1}
	idTwo = mft.TransferID{2}
)

// A told is one thing that a fake agent reports, after a pause.
type told struct {
	after time.Duration
	row   localapi.Transfer
}

// A fakeAgent reports a fixed story, then waits for after and returns err.
type fakeAgent struct {
	story []told
	after time.Duration
	err   error
}

func (a fakeAgent) Watch(ctx context.Context, _ []mft.TransferID, f func(localapi.Transfer) error) error {
	pause := func(d time.Duration) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d):
			return nil
		}
	}
	for _, t := range a.story {
		if err := pause(t.after); err != nil {
			return err
		}
		if err := f(t.row); err != nil {
			return err
		}
	}
	if err := pause(a.after); err != nil {
		return err
	}
	return a.err
}

func row(id mft.TransferID, state mft.State, moved, total int64) localapi.Transfer {
	start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	return localapi.Transfer{
		ID: id, Role: mft.RoleSend, Peer: "beta", State: state,
		Moved: localapi.Count{Items: 1, Bytes: moved}, Totals: localapi.Count{Items: 1, Bytes: total},
		Created: start, Updated: start.Add(2 * time.Second),
	}
}

func because(r localapi.Transfer, code mft.Code, detail string) localapi.Transfer {
	r.Reason = &localapi.Problem{Code: code, Detail: detail, Remedy: code.Remedy()}
	return r
}

func many(r localapi.Transfer, items int64) localapi.Transfer {
	r.Moved.Items, r.Totals.Items = items, items
	return r
}

var toBeta = localapi.Placed{Agent: "beta", Path: "/srv/in/", Transfer: idOne}

func TestResults(t *testing.T) {
	refused := localapi.Placed{Agent: "gamma", Path: "/x", Err: &localapi.Problem{Code: mft.CodeUnknownPeer, Op: "look up peer", Subject: "gamma"}}
	tests := []struct {
		name   string
		placed []localapi.Placed
		agent  fakeAgent
		out    string
		errs   string
		status exit.Status
	}{
		{
			name: "delivered", placed: []localapi.Placed{toBeta},
			agent:  fakeAgent{story: []told{{0, row(idOne, mft.StateDone, 4<<20, 4<<20)}}},
			out:    "delivered 1 item, 4.00 MiB, to beta:/srv/in/ in 2s (2.00 MiB/s)  01000000-0000-0000-0000-000000000000\n",
			status: exit.OK,
		},
		{
			name: "many small ones", placed: []localapi.Placed{toBeta},
			agent:  fakeAgent{story: []told{{0, many(row(idOne, mft.StateDone, 4000, 4000), 1000)}}},
			out:    "delivered 1000 items, 3.91 KiB, to beta:/srv/in/ in 2s (500 items/s)  01000000-0000-0000-0000-000000000000\n",
			status: exit.OK,
		},
		{
			name: "rejected", placed: []localapi.Placed{toBeta},
			agent:  fakeAgent{story: []told{{0, because(row(idOne, mft.StateRejected, 0, 4), mft.CodeNotAllowed, "not in /srv")}}},
			errs:   "mft: transfer 01000000-0000-0000-0000-000000000000 to beta rejected: not in /srv [NOT_ALLOWED]\nremedy: " + mft.CodeNotAllowed.Remedy() + "\n",
			status: exit.Rejected,
		},
		{
			name: "cancelled by somebody", placed: []localapi.Placed{toBeta},
			agent:  fakeAgent{story: []told{{0, row(idOne, mft.StateCancelled, 0, 4)}}},
			errs:   "mft: transfer 01000000-0000-0000-0000-000000000000 to beta: an operator cancelled it [CANCELLED]\nremedy: " + mft.CodeCancelled.Remedy() + "\n",
			status: exit.Cancelled,
		},
		{
			name: "done in part", placed: []localapi.Placed{toBeta},
			agent:  fakeAgent{story: []told{{0, because(row(idOne, mft.StateDone, 2, 4), mft.CodePartial, "1 of 2 items failed")}}},
			errs:   "mft: transfer 01000000-0000-0000-0000-000000000000 to beta done: 1 of 2 items failed [PARTIAL]\nremedy: " + mft.CodePartial.Remedy() + "\n",
			status: exit.Partial,
		},
		{
			name: "one of two", placed: []localapi.Placed{toBeta, refused},
			agent:  fakeAgent{story: []told{{0, row(idOne, mft.StateDone, 4, 4)}}},
			out:    "delivered 1 item, 4 B, to beta:/srv/in/ in 2s (2 B/s)  01000000-0000-0000-0000-000000000000\n",
			errs:   "mft: look up peer \"gamma\": no peer of that name is known here [UNKNOWN_PEER]\nremedy: " + mft.CodeUnknownPeer.Remedy() + "\n",
			status: exit.Partial,
		},
		{
			name: "none was placed", placed: []localapi.Placed{refused},
			errs:   "mft: look up peer \"gamma\": no peer of that name is known here [UNKNOWN_PEER]\nremedy: " + mft.CodeUnknownPeer.Remedy() + "\n",
			status: exit.Failed,
		},
		{
			name: "the agent stops", placed: []localapi.Placed{toBeta},
			agent:  fakeAgent{story: []told{{0, row(idOne, mft.StateRunning, 1, 4)}}, err: mft.Fail(mft.CodeMaintenance, "watch", "", nil)},
			errs:   "mft: the agent has stopped; transfer 01000000-0000-0000-0000-000000000000 goes on once it runs again\n",
			status: exit.StillRunning,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out, errs strings.Builder
				f := &Follower{Out: &out, Errs: &errs}
				err := f.Follow(t.Context(), tt.agent, tt.placed)
				if got := exit.Of(err); got != tt.status {
					t.Errorf("Follow: %v, exit status %d, want %d", err, got, tt.status)
				}
				if got := out.String(); got != tt.out {
					t.Errorf("standard output\n got %q\nwant %q", got, tt.out)
				}
				if got := errs.String(); got != tt.errs {
					t.Errorf("standard error\n got %q\nwant %q", got, tt.errs)
				}
			})
		})
	}
}

func TestJSONEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out, errs strings.Builder
		story := []told{{0, row(idOne, mft.StateQueued, 0, 0)}}
		for i := range int64(12) {
			story = append(story, told{250 * time.Millisecond, row(idOne, mft.StateRunning, i+1, 100)})
		}
		// For two seconds and a bit nothing changes.
		story = append(story, told{2100 * time.Millisecond, row(idOne, mft.StateDone, 100, 100)})
		f := &Follower{Out: &out, Errs: &errs, JSON: true}
		if err := f.Follow(t.Context(), fakeAgent{story: story}, []localapi.Placed{toBeta}); err != nil {
			t.Fatal(err)
		}
		var states []string
		lines := bufio.NewScanner(strings.NewReader(out.String()))
		var last report
		for lines.Scan() {
			last = report{}
			if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
				t.Fatalf("%q is no JSON: %v", lines.Text(), err)
			}
			states = append(states, string(last.Transfer.State))
		}
		if got, want := strings.Join(states, " "), "running running running running running done"; got != want {
			t.Errorf("states of the lines: got %q, want %q", got, want)
		}
		if !last.Ended || last.Left != nil {
			t.Errorf("the last line is %+v, want an end", last)
		}
	})
}

func TestTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out, errs strings.Builder
		agent := fakeAgent{story: []told{
			{0, row(idOne, mft.StateRunning, 0, 100)},
			{0, because(row(idTwo, mft.StateWaiting, 0, 0), mft.CodeUnreachable, "refused")},
			{300 * time.Millisecond, row(idOne, mft.StateRunning, 50, 100)},
			{300 * time.Millisecond, row(idOne, mft.StateDone, 100, 100)},
			{0, row(idTwo, mft.StateDone, 100, 100)},
		}}
		f := &Follower{Out: &out, Errs: &errs, Columns: 41}
		second := localapi.Placed{Agent: "gamma", Path: "/srv/in/", Transfer: idTwo}
		if err := f.Follow(t.Context(), agent, []localapi.Placed{toBeta, second}); err != nil {
			t.Fatal(err)
		}
		want := "\rbeta  [>             ]    0%  --:-- left\x1b[K\n" +
			"\rgamma  waiting: refused [UNREACHABLE]\x1b[K\n" +
			"\x1b[2A" +
			"\rbeta  [=======>       ]   50%  0:01 left\x1b[K\n" +
			"\rgamma  waiting: refused [UNREACHABLE]\x1b[K\n" +
			"\x1b[2A\r\x1b[J" +
			"delivered 1 item, 100 B, to beta:/srv/in/ in 2s (50 B/s)  01000000-0000-0000-0000-000000000000\n" +
			"delivered 1 item, 100 B, to gamma:/srv/in/ in 2s (50 B/s)  02000000-0000-0000-0000-000000000000\n"
		if got := out.String(); got != want {
			t.Errorf("terminal\n got %q\nwant %q", got, want)
		}
	})
}

func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var out, errs strings.Builder
		agent := fakeAgent{story: []told{{0, row(idOne, mft.StateRunning, 1, 100)}}, after: time.Hour}
		f := &Follower{Out: &out, Errs: &errs}
		err := f.Follow(ctx, agent, []localapi.Placed{toBeta})
		if got := exit.Of(err); got != exit.StillRunning {
			t.Errorf("Follow: %v, exit status %d, want %d", err, got, exit.StillRunning)
		}
		for _, want := range []string{"it goes on", "mft transfer cancel " + idOne.String()} {
			if !strings.Contains(errs.String(), want) {
				t.Errorf("standard error %q does not say %q", errs.String(), want)
			}
		}
	})
}

// A brokenPipe takes nothing.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs strings.Builder
		agent := fakeAgent{story: []told{{0, row(idOne, mft.StateRunning, 1, 100)}}, after: time.Hour}
		f := &Follower{Out: brokenPipe{}, Errs: &errs, JSON: true}
		if err := f.Follow(t.Context(), agent, []localapi.Placed{toBeta}); mft.CodeOf(err) != mft.CodeIO {
			t.Errorf("Follow without a reader: error %v, want code %s", err, mft.CodeIO)
		}
	})
}
