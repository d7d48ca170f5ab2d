package supervisor

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/seat"
	"mft.dev/mft/internal/plain"
	"mft.dev/mft/internal/post"
)

// places is a configuration with one grant and one channel.
func places(t *testing.T) *config.Config {
	t.Helper()
	cfg := config.Default(func(string) string { return "" })
	cfg.Agent.Name, cfg.Agent.User = "erp", "61001"
	cfg.Exits = []mft.Exit{{Phase: mft.ExitPost, Run: []string{"/bin/true"}, User: "61002"}}
	as := mft.RunAs{User: "61002"}
	cfg.Allow.FilesFrom = []mft.Grant{{Agent: "ledger", Root: t.TempDir(), RunAs: as}}
	cfg.Channels = []mft.Channel{{Name: "c", From: mft.Endpoint{Agent: "erp", Path: t.TempDir()}, RunAs: as}}
	return cfg
}

// served returns the agent's end of a supervisor that would start a program that is
// not there, and what ends the test when it has.
func served(t *testing.T, cfg *config.Config, program string, args ...string) *post.Conn {
	t.Helper()
	here, there, err := post.Pair()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := post.Open(there)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{
		c:     Config{Config: cfg, Worker: Command{Path: program, Args: args}, Network: Command{Path: program, Args: args}, Launch: Command{Path: program, Args: args}, Log: slog.New(slog.DiscardHandler), Now: time.Now},
		table: seat.Of(cfg), workers: make(map[int]*process), pauses: make(map[int]*pause), patience: 200 * time.Millisecond,
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		d.serve(conn)
		d.end()
	}()
	t.Cleanup(func() {
		here.Close()
		<-over
		conn.Close()
	})
	return here
}

// asked returns the answer to a request.
func asked(t *testing.T, conn *post.Conn, r seat.Request) (kind uint8, said Refusal) {
	t.Helper()
	return answered(t, conn, KindWorker, r)
}

func answered(t *testing.T, conn *post.Conn, of uint8, r seat.Request) (kind uint8, said Refusal) {
	t.Helper()
	if err := conn.Send(post.Message{Kind: of, ID: 1, Payload: plain.Append(nil, r)}); err != nil {
		t.Fatal(err)
	}
	m, err := conn.Receive()
	if err != nil {
		t.Fatal(err)
	}
	if m.File != nil {
		m.File.Close()
	}
	if m.Kind == KindRefused {
		if err := plain.Parse(m.Payload, &said); err != nil {
			t.Fatal(err)
		}
	}
	return m.Kind, said
}

// TestHostileAgent: an agent that somebody has taken over gets nothing but what the
// supervisor's own file has, and no process is started for what that does not have.
func TestHostileAgent(t *testing.T) {
	cfg := places(t)
	table := seat.Of(cfg)
	good, ok := table.Channel("c")
	if !ok {
		t.Fatal("there is no place for the channel")
	}
	other := *cfg
	other.Channels = []mft.Channel{{Name: "c", From: mft.Endpoint{Agent: "erp", Path: "/etc"}, RunAs: mft.RunAs{User: "root", AllowRoot: true}}}
	widened, _ := seat.Of(&other).Channel("c")
	swapped := good
	swapped.Index = 0
	for _, tt := range []struct {
		name string
		r    seat.Request
		want mft.Code
	}{
		{"none of that number", seat.Request{Index: 2, Digest: good.Digest}, mft.CodeConfig},
		{"the last number", seat.Request{Index: 65535}, mft.CodeConfig},
		{"no digest", seat.Request{Index: good.Index}, mft.CodeConfig},
		{"of another configuration", widened, mft.CodeConfig},
		{"of another place", swapped, mft.CodeConfig},
		{"one that is there", good, mft.CodeWorker}, // its program is not
	} {
		t.Run(tt.name, func(t *testing.T) {
			if kind, said := asked(t, served(t, cfg, filepath.Join(t.TempDir(), "none")), tt.r); kind != KindRefused || said.Code != tt.want {
				t.Errorf("answer %d %+v, want a refusal with %s", kind, said, tt.want)
			}
		})
	}
	t.Run("flood", func(t *testing.T) {
		conn := served(t, cfg, filepath.Join(t.TempDir(), "none"))
		for range 2000 {
			if kind, _ := asked(t, conn, seat.Request{Index: 9}); kind != KindRefused {
				t.Fatalf("answer %d, want a refusal", kind)
			}
		}
	})
}

// TestHostileForm: whoever says what makes no sense is heard no further.
func TestHostileForm(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	request := plain.Append(nil, seat.Request{Index: 9})
	for name, m := range map[string]post.Message{
		"another kind":                  {Kind: 9, Payload: request},
		"a wish of the network process": {Kind: KindNetwork, Payload: request},
		"an answer":                     {Kind: KindHere, Payload: request},
		"too short":                     {Kind: KindWorker, Payload: request[:3]},
		"too long":                      {Kind: KindWorker, Payload: append(request, 0)},
		"far too long":                  {Kind: KindWorker, Payload: make([]byte, 1<<20)},
		"with a file":                   {Kind: KindWorker, Payload: request, File: null},
		"nothing in it":                 {Kind: KindWorker},
		"a command that is too long":    {Kind: KindLaunch, Payload: append(request[:len(request):len(request)], 0)},
		"a command with a file":         {Kind: KindLaunch, Payload: request, File: null},
	} {
		t.Run(name, func(t *testing.T) {
			conn := served(t, places(t), filepath.Join(t.TempDir(), "none"))
			if err := conn.Send(m); err != nil {
				t.Fatal(err)
			}
			if m, err := conn.Receive(); err == nil || m.Kind != 0 {
				t.Errorf("it was answered with %d, %v", m.Kind, err)
			} else if err != io.EOF {
				t.Logf("the connection ended: %v", err)
			}
		})
	}
}

func FuzzRequest(f *testing.F) {
	f.Add(plain.Append(nil, seat.Request{Index: 1}))
	cfg := config.Default(func(string) string { return "" })
	cfg.Agent.User = "61001"
	cfg.Allow.FilesFrom = []mft.Grant{{Agent: "a", Root: "/srv/in"}}
	table := seat.Of(cfg)
	good, _ := table.Files("a", "/srv/in")
	f.Add(plain.Append(nil, good))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r seat.Request
		if plain.Parse(b, &r) != nil {
			return
		}
		if p, _, err := table.Find(r); err == nil && (r != good || p.Write[0] != "/srv/in") {
			t.Errorf("%+v finds %+v", r, p)
		}
	})
}

// TestPauses: a worker that does not live is not started again and again.
func TestPauses(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	d := &desk{c: Config{Now: func() time.Time { return now }}, pauses: map[int]*pause{}}
	found := time.Duration(0)                         // how long after it has died
	dies := func(after time.Duration) time.Duration { // returns how long the next has to wait
		t.Helper()
		if err := d.mayStart(1); err != nil {
			t.Fatal(err)
		}
		begun := now
		now = now.Add(after)
		died := now
		now = now.Add(found)
		d.lived(1, begun, died, errors.New("killed"))
		for waited := time.Duration(0); ; waited += 50 * time.Millisecond {
			if d.mayStart(1) == nil {
				return waited
			}
			now = now.Add(50 * time.Millisecond)
		}
	}
	want := []time.Duration{0, firstPause, 2 * firstPause, 4 * firstPause}
	for n, w := range want {
		if got := dies(time.Millisecond); got != w {
			t.Errorf("after %d deaths a pause of %v, want %v", n+1, got, w)
		}
	}
	for range 10 {
		dies(0)
	}
	if got := dies(0); got != lastPause {
		t.Errorf("at last a pause of %v, want %v", got, lastPause)
	}
	if err := d.mayStart(2); err != nil {
		t.Errorf("another place: %v", err)
	}
	found = lastPause
	if got := dies(0); got != 0 {
		t.Errorf("a pause of %v, want none: it is over when the death is found", got)
	}
	found = time.Hour
	dies(livesFor - 1)
	found = 0
	if got := dies(0); got != lastPause {
		t.Errorf("a pause of %v, want %v: that of which the death was found late has not lived", got, lastPause)
	}
	if dies(livesFor) != 0 || dies(0) != 0 {
		t.Error("one that has lived counts as one that did not")
	}
}

// TestProgramIsGone: what cannot be started is tried less and less often, and the agent is
// told why it waits.
func TestProgramIsGone(t *testing.T) {
	cfg := places(t)
	conn := served(t, cfg, filepath.Join(t.TempDir(), "none"))
	r, _ := seat.Of(cfg).Channel("c")
	var last Refusal
	for n := 0; n < 1000 && !strings.Contains(last.Detail, "the next is started after"); n++ {
		kind, said := asked(t, conn, r)
		if kind != KindRefused || said.Code != mft.CodeWorker {
			t.Fatalf("answer %d %+v", kind, said)
		}
		last = said
	}
	if !strings.Contains(last.Detail, "fork/exec") || !strings.Contains(last.Detail, "the next is started after") {
		t.Errorf("it says %q", last.Detail)
	}
}

// TestDirectoryIsMissing: what a worker would be confined to has to be there, and the agent is
// told what is not; when it is there, the next request is not held up by those before.
func TestDirectoryIsMissing(t *testing.T) {
	program, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	cfg := places(t)
	dir := filepath.Join(t.TempDir(), "later")
	cfg.Channels[0].From.Path = dir
	conn := served(t, cfg, program, "-c", "until cat <&3; do sleep 0.01; done >/dev/null") // it lives until it hears no more
	r, _ := seat.Of(cfg).Channel("c")
	for range 10 {
		if kind, said := asked(t, conn, r); kind != KindRefused || said.Code != mft.CodeNotFound || !strings.Contains(said.Detail, fmt.Sprintf("there is no directory %q", dir)) {
			t.Fatalf("answer %d %+v", kind, said)
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if kind, said := asked(t, conn, r); kind != KindHere {
		t.Errorf("answer %d %+v", kind, said)
	}
}

// TestDiesAtOnce: a program that ends as soon as it is started is started a few times only,
// and it is told how it ended.
func TestDiesAtOnce(t *testing.T) {
	program, err := exec.LookPath("false")
	if err != nil {
		t.Fatal(err)
	}
	cfg := places(t)
	conn := served(t, cfg, program)
	r, _ := seat.Of(cfg).Channel("c")
	for range 1_000_000 {
		kind, said := asked(t, conn, r)
		if kind == KindHere {
			continue // it has not died yet
		}
		if said.Code != mft.CodeWorker {
			t.Fatalf("answer %d %+v", kind, said)
		}
		if strings.Contains(said.Detail, "did not live (exit status 1;") {
			return
		}
	}
	t.Error("there is no refusal that says why")
}

// TestHangs: a worker that hears nothing more and does not end is killed soon, since all
// others wait meanwhile, and counts as one that did not live.
func TestHangs(t *testing.T) {
	program, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, script string }{
		{"it closes its socket", "exec 3<&-; exec sleep 600"},
		{"it does not read", "exec sleep 600"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := places(t)
			conn := served(t, cfg, program, "-c", tt.script)
			r, _ := seat.Of(cfg).Channel("c")
			for range 1_000_000 {
				if _, said := asked(t, conn, r); strings.Contains(said.Detail, "did not live (signal: killed;") {
					return
				}
			}
			t.Error("there is no refusal that says why")
		})
	}
}

func TestCapabilities(t *testing.T) {
	for _, tt := range []struct {
		name string
		as   []mft.RunAs
		want []int
	}{
		{"no worker", nil, []int{5, 6, 7, 8}},
		{"no worker is root", []mft.RunAs{{User: "61002"}, {User: "0"}}, []int{5, 6, 7, 8}},
		{"one is root", []mft.RunAs{{User: "61002"}, {User: "0", AllowRoot: true}}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8}},
	} {
		cfg := &config.Config{}
		for n, as := range tt.as {
			cfg.Allow.FilesFrom = append(cfg.Allow.FilesFrom, mft.Grant{Agent: "a", Root: fmt.Sprint("/in/", n), RunAs: as})
		}
		if got := capabilities(seat.Of(cfg)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestCapabilitiesOfExits: one exit that is root has the supervisor keep what that needs.
func TestCapabilitiesOfExits(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		cfg := &config.Config{Exits: []mft.Exit{{Run: []string{"/bin/true"}, User: "0", AllowRoot: allowed}}}
		if got := capabilities(seat.Of(cfg)); slices.Contains(got, 0) != allowed {
			t.Errorf("a command that may be root (%t) has the supervisor keep %v", allowed, got)
		}
		c := Config{Config: cfg}
		if err := c.check(seat.Of(cfg)); os.Geteuid() == 0 && (err == nil) != allowed {
			t.Errorf("a command that may be root (%t): check = %v", allowed, err)
		}
	}
}

// TestHostileAgentLaunches: an agent that somebody has taken over has no command run but those of
// the supervisor's own file, as whom that says, and not without end.
func TestHostileAgentLaunches(t *testing.T) {
	cfg := places(t)
	good, ok := seat.Of(cfg).Exit(0)
	if !ok {
		t.Fatal("there is no exit")
	}
	forged := func(change func(*mft.Exit)) seat.Request {
		other := *cfg
		other.Exits = slices.Clone(cfg.Exits)
		change(&other.Exits[0])
		r, _ := seat.Of(&other).Exit(0)
		return r
	}
	for name, r := range map[string]seat.Request{
		"none of that number": {Index: 1, Digest: good.Digest},
		"another program":     forged(func(e *mft.Exit) { e.Run = []string{"/bin/sh"} }),
		"another user":        forged(func(e *mft.Exit) { e.User = "61003" }),
		"root":                forged(func(e *mft.Exit) { e.User, e.AllowRoot = "0", true }),
		"without walls":       forged(func(e *mft.Exit) { e.Unconfined = true }),
		"the channel's":       {Index: 0},
	} {
		conn := served(t, cfg, "/bin/sleep", "60")
		if kind, said := answered(t, conn, KindLaunch, r); kind != KindRefused || said.Code != mft.CodeConfig {
			t.Errorf("%s: %d, %+v", name, kind, said)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can start processes of another user")
	}
	conn := served(t, cfg, "/bin/sleep", "60")
	for n := range maxLaunched {
		if kind, said := answered(t, conn, KindLaunch, good); kind != KindHere {
			t.Fatalf("process %d: %+v", n, said)
		}
	}
	if kind, said := answered(t, conn, KindLaunch, good); kind != KindRefused || said.Code != mft.CodeBusy {
		t.Errorf("one too many: %d, %+v", kind, said)
	}
}

// TestNetworkIsGone: a network process that cannot be started is tried less and less often.
func TestNetworkIsGone(t *testing.T) {
	conn := served(t, places(t), filepath.Join(t.TempDir(), "none"))
	var last Refusal
	for n := 0; n < 1000 && !strings.Contains(last.Detail, "the next is started after"); n++ {
		if err := conn.Send(post.Message{Kind: KindNetwork, ID: 1}); err != nil {
			t.Fatal(err)
		}
		m, err := conn.Receive()
		if err != nil || m.Kind != KindRefused || plain.Parse(m.Payload, &last) != nil || last.Code != mft.CodeWorker {
			t.Fatalf("answer %d %+v, %v", m.Kind, last, err)
		}
	}
	if !strings.Contains(last.Detail, "the next is started after") {
		t.Errorf("it says %q", last.Detail)
	}
}
