package localapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mft.dev/mft"
	"mft.dev/mft/agent"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/localapi/opaque"
	"mft.dev/mft/agent/localapi/route"
	relay "mft.dev/mft/exchange/relay/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds how long a test waits for what must happen.
const patience = 60 * time.Second

// A host is an agent with its local socket, as `mft run` wires them.
type host struct {
	*Client
	dir, in, out string
}

func start(t *testing.T, name mft.AgentName) *host {
	t.Helper()
	dir := t.TempDir()
	h := &host{dir: dir, in: filepath.Join(dir, "in"), out: filepath.Join(dir, "out")}
	for _, d := range []string{h.in, h.out} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	peers, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a, err := agent.New(agent.Options{Listener: peers, Version: "test", Config: &config.Config{
		Agent: config.Agent{Name: name, DataDir: filepath.Join(dir, "data"), MaxTransfers: 2},
		Notes: []string{"a note"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	ln, err := Listen(socket, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- a.Run(ctx) }()
	go func() { ended <- Serve(ctx, ln, a, func(context.Context) ([]relay.Held, error) { return nil, nil }) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Errorf("%s ended with %v", name, err)
			}
		}
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	h.Client = NewClient(socket)
	return h
}

func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func pairOf(t *testing.T) (alpha, beta *host) {
	t.Helper()
	ctx := limited(t)
	alpha, beta = start(t, "alpha"), start(t, "beta")
	i, err := alpha.Invite(ctx, InviteOrder{PeerGrant: PeerGrant{FilesInto: alpha.in, RequestsRoot: alpha.out}})
	if err != nil {
		t.Fatalf("Invite: %v", err)
	}
	if !strings.Contains(i.Line, "mft join ") || time.Until(i.Expires) <= 0 {
		t.Errorf("invitation is %+v, want a line to paste and a time to come", i)
	}
	p, err := beta.Join(ctx, JoinOrder{Line: i.Line, PeerGrant: PeerGrant{FilesInto: beta.in, RequestsRoot: beta.out}})
	if err != nil {
		t.Fatalf("Join: %v", err)
	}
	if p.Name != "alpha" || len(p.Pins) != 1 || len(p.FilesInto) != 1 || p.FilesInto[0] != beta.in {
		t.Errorf("the new peer is %+v, want alpha with a pin and its grant", p)
	}
	return alpha, beta
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCopyAndWatch(t *testing.T) {
	ctx := limited(t)
	alpha, beta := pairOf(t)
	name := "n\xff\n.txt" // not UTF-8, and it must arrive like this
	placed, err := alpha.Copy(ctx, CopyOrder{
		Sources:      []string{write(t, filepath.Join(alpha.out, name), "content")},
		Destinations: []Destination{{Agent: "beta", Path: opaque.String(beta.in + "/")}, {Agent: "nobody", Path: "/x"}},
	})
	if err != nil {
		t.Fatalf("Copy: %v", err)
	}
	if len(placed) != 2 || placed[0].Err != nil || placed[1].Err == nil || placed[1].Err.Code != mft.CodeUnknownPeer {
		t.Fatalf("Copy = %+v, want a transfer and a reason", placed)
	}
	id := placed[0].Transfer
	var states []mft.State
	err = alpha.Watch(ctx, []mft.TransferID{id}, func(t Transfer) error {
		states = append(states, t.State)
		return nil
	})
	if err != nil || len(states) == 0 || states[len(states)-1] != mft.StateDone {
		t.Fatalf("Watch = %v with states %v, want done at the end", err, states)
	}
	if b, err := os.ReadFile(filepath.Join(beta.in, name)); err != nil || string(b) != "content" {
		t.Errorf("delivered %q, %v, want the content", b, err)
	}
	d, err := alpha.Transfer(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Transfer.Sources[0]; got != filepath.Join(alpha.out, name) {
		t.Errorf("source = %q, want the name byte for byte", got)
	}
	if n := len(d.Events); n < 6 || d.Events[0].Kind != mft.EventPlanned || d.Events[n-1].Kind != mft.EventDone {
		t.Errorf("events are %+v, want the whole story", d.Events)
	}
	list, err := alpha.Transfers(ctx, Filter{Role: mft.RoleSend, Peer: "beta", States: []mft.State{mft.StateDone}, Limit: 5})
	if err != nil || len(list) != 1 || list[0].ID != id {
		t.Errorf("Transfers = %+v, %v, want the one", list, err)
	}
	if list, err := alpha.Transfers(ctx, Filter{Role: mft.RoleReceive}); err != nil || len(list) != 0 {
		t.Errorf("Transfers of another role = %+v, %v, want none", list, err)
	}
}

func TestWatchEndsEarly(t *testing.T) {
	ctx := limited(t)
	alpha, _ := pairOf(t)
	if err := alpha.Watch(ctx, []mft.TransferID{{1}}, func(Transfer) error { return nil }); mft.CodeOf(err) != mft.CodeNotFound {
		t.Errorf("Watch of what is not there = %v, want code %s", err, mft.CodeNotFound)
	}
	placed, err := alpha.Copy(ctx, CopyOrder{Sources: []string{alpha.out}, Destinations: []Destination{{Agent: "beta", Path: "/not/allowed/"}}})
	if err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	if err := alpha.Watch(ctx, []mft.TransferID{placed[0].Transfer}, func(Transfer) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("Watch = %v, want what the function returned", err)
	}
}

func TestRequestAndActions(t *testing.T) {
	ctx := limited(t)
	alpha, beta := pairOf(t)
	src := write(t, filepath.Join(alpha.out, "a"), "1")
	id, err := beta.Request(ctx, RequestOrder{Agent: "alpha", Path: opaque.String(src), Into: opaque.String(beta.in + "/b")})
	if err != nil {
		t.Fatalf("Request: %v", err)
	}
	if err := beta.Watch(ctx, []mft.TransferID{id}, func(Transfer) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(beta.in, "b")); err != nil || string(b) != "1" {
		t.Errorf("fetched %q, %v, want the content", b, err)
	}
	for _, tt := range []struct {
		action Action
		want   mft.Code
	}{{ActionCancel, mft.CodeBadState}, {ActionPause, mft.CodeBadState}, {ActionResume, mft.CodeBadState}, {"burn", mft.CodeUsage}} {
		if _, err := beta.Act(ctx, id, tt.action); mft.CodeOf(err) != tt.want {
			t.Errorf("Act(%s) of what is done = %v, want code %s", tt.action, err, tt.want)
		}
	}
	again, err := beta.Act(ctx, id, ActionRetry)
	if err != nil || again.ID == id || !again.Requested {
		t.Errorf("Act(retry) = %+v, %v, want a new request", again, err)
	}
}

func TestStatusPeersAndKeys(t *testing.T) {
	ctx := limited(t)
	alpha, beta := pairOf(t)
	s, err := alpha.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "alpha" || s.Version != "test" || s.Listen == "" || s.Started.IsZero() || len(s.Peers) != 1 || s.Resident <= 0 || s.MaxTransfers != 2 || len(s.Notes) != 1 {
		t.Errorf("Status = %+v, want what the agent is", s)
	}
	for p := (Peer{}); p.Link != "up"; {
		if p, err = alpha.Peer(ctx, "beta"); err != nil {
			t.Fatalf("Peer while waiting for the link: %v", err)
		}
	}
	if err := alpha.AllowPeer(ctx, "beta", PeerGrant{FilesInto: alpha.out}); err != nil {
		t.Fatal(err)
	}
	peers, err := alpha.Peers(ctx)
	if err != nil || len(peers) != 1 || len(peers[0].FilesInto) != 1 || peers[0].FilesInto[0] != alpha.out || len(peers[0].RequestsFrom) != 0 {
		t.Errorf("Peers = %+v, %v, want what is allowed now", peers, err)
	}
	before, err := alpha.Keys(ctx)
	if err != nil || len(before.Keys) != 1 || !before.Keys[0].Current {
		t.Fatalf("Keys = %+v, %v, want one", before, err)
	}
	after, err := alpha.RotateKey(ctx, 72*time.Hour)
	if err != nil || len(after.Keys) != 2 || after.Keys[0].Pin == before.Keys[0].Pin || after.Keys[1].Pin != before.Keys[0].Pin || after.Keys[1].Retires.IsZero() {
		t.Errorf("RotateKey = %+v, %v, want a new key before the old one", after, err)
	}
	if _, err := alpha.RotateKey(ctx, -time.Hour); mft.CodeOf(err) != mft.CodeUsage {
		t.Errorf("RotateKey(-1h) = %v, want code %s", err, mft.CodeUsage)
	}
	if err := alpha.RemovePeer(ctx, "beta"); err != nil {
		t.Fatal(err)
	}
	if _, err := alpha.Peer(ctx, "beta"); mft.CodeOf(err) != mft.CodeUnknownPeer {
		t.Errorf("Peer after its removal = %v, want code %s", err, mft.CodeUnknownPeer)
	}
	if _, err := beta.Join(ctx, JoinOrder{Line: "mft join nonsense"}); mft.CodeOf(err) != mft.CodeInvite {
		t.Errorf("Join of nonsense = %v, want code %s", err, mft.CodeInvite)
	}
}

func TestEvents(t *testing.T) {
	ctx := limited(t)
	alpha, beta := pairOf(t)
	var seen []Event
	if err := alpha.Events(ctx, 0, false, func(e Event) error { seen = append(seen, e); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(seen) == 0 || seen[0].Kind != mft.EventAgentStarted || seen[0].Seq != 1 {
		t.Fatalf("events are %+v, want them from the first", seen)
	}
	stop := errors.New("seen")
	src := write(t, filepath.Join(alpha.out, "a"), "1")
	if _, err := alpha.Copy(ctx, CopyOrder{Sources: []string{src}, Destinations: []Destination{{Agent: "beta", Path: opaque.String(beta.in + "/")}}}); err != nil {
		t.Fatal(err)
	}
	last := seen[len(seen)-1].Seq
	err := alpha.Events(ctx, last, true, func(e Event) error {
		if e.Seq != last+1 {
			t.Errorf("event %d follows %d, want no gap", e.Seq, last)
		}
		last = e.Seq
		if e.Kind == mft.EventDone {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Errorf("Events = %v, want to be stopped by the transfer that is done", err)
	}
}

func TestNobodyListens(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	if _, err := NewClient(socket).Status(t.Context()); mft.CodeOf(err) != mft.CodeNotRunning {
		t.Errorf("Status without an agent = %v, want code %s", err, mft.CodeNotRunning)
	}
	// A socket that a dead agent left behind.
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	if _, err := NewClient(socket).Status(t.Context()); mft.CodeOf(err) != mft.CodeNotRunning {
		t.Errorf("Status on a dead socket = %v, want code %s", err, mft.CodeNotRunning)
	}
}

func TestRefusesWhatIsNoOrder(t *testing.T) {
	ctx := limited(t)
	alpha := start(t, "alpha")
	for _, tt := range []struct {
		name, method, path string
		body               any
		want               mft.Code
	}{
		{"no such order", "GET", "/v1/nothing", nil, mft.CodeUsage},
		{"another method", "DELETE", "/v1/status", nil, mft.CodeUsage},
		{"an unknown field", "POST", "/v1/invites", map[string]string{"adress": "x"}, mft.CodeUsage},
		{"a body of another kind", "POST", "/v1/copy", []int{1}, mft.CodeUsage},
		{"nothing to copy", "POST", "/v1/copy", CopyOrder{}, mft.CodeUsage},
		{"too long", "POST", "/v1/join", JoinOrder{Line: strings.Repeat("x", route.MaxBody)}, mft.CodeUsage},
		{"an id that is none", "GET", "/v1/transfers/1", nil, mft.CodeBadName},
		{"a limit that is none", "GET", "/v1/transfers?limit=0", nil, mft.CodeUsage},
		{"events before the first", "GET", "/v1/events?after=-1&follow=false", nil, mft.CodeUsage},
		{"an overlap that is none", "POST", "/v1/keys/rotate", rotation{Overlap: "soon"}, mft.CodeUsage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := alpha.Call(ctx, tt.method, tt.path, tt.body, nil)
			if got := mft.CodeOf(err); got != tt.want {
				t.Errorf("%s %s = %v, want code %s", tt.method, tt.path, err, tt.want)
			}
		})
	}
}

func TestProblemCrossesTheSocket(t *testing.T) {
	cause := mft.Fail(mft.CodePermission, "open", "/a\xff", errors.New("denied"))
	b, err := json.Marshal(route.ProblemOf(cause))
	if err != nil {
		t.Fatal(err)
	}
	var p Problem
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatal(err)
	}
	if p.Code != mft.CodePermission || p.Op != "open" || p.Detail != "denied" || p.Remedy == "" {
		t.Errorf("problem is %+v, want every part of the error", p)
	}
	if got := mft.CodeOf(p.Err()); got != mft.CodePermission {
		t.Errorf("code = %s, want %s", got, mft.CodePermission)
	}
	if route.ProblemOf(nil) != nil || (*Problem)(nil).Err() != nil {
		t.Error("no error became a problem, or the other way round")
	}
}

func FuzzOpaque(f *testing.F) {
	for _, s := range []string{"", "plain", "n\xff\n", "\x00", `{"base64":"AA=="}`, "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o := CopyOrder{Sources: []string{s}, Destinations: []Destination{{Agent: "a", Path: opaque.String(s)}}}
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		var back CopyOrder
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("reading back %s: %v", b, err)
		}
		if back.Sources[0] != s || string(back.Destinations[0].Path) != s {
			t.Errorf("%q came back as %q", s, back.Sources[0])
		}
	})
}

func FuzzReadOrder(f *testing.F) {
	f.Add([]byte(`{"sources":["/a"],"destinations":[{"agent":"b","path":{"base64":"L3g="}}]}`))
	f.Add([]byte(`{"agent":"b","path":"/x","into":"/y","overwrite":"never","transfer":"0192f0c1-2d5b-7c3a-8e4f-0123456789ab"}`))
	f.Add([]byte(`{"destinations":[{"transfer":"0192f0c1-2d5b-7c3a-8e4f-0123456789ab"},{"transfer":null}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c CopyOrder
		if json.Unmarshal(b, &c) == nil {
			again, err := json.Marshal(c)
			if err != nil || !json.Valid(again) {
				t.Errorf("what was read from %q is written as %q, %v", b, again, err)
			}
		}
		var r RequestOrder
		if json.Unmarshal(b, &r) == nil {
			again, err := json.Marshal(r)
			var back RequestOrder
			if err != nil || json.NewDecoder(bytes.NewReader(again)).Decode(&back) != nil || back != r {
				t.Errorf("%+v came back as %+v", r, back)
			}
		}
	})
}
