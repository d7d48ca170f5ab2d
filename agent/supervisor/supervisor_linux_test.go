package supervisor

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

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
	as := mft.RunAs{User: "61002"}
	cfg.Allow.FilesFrom = []mft.Grant{{Agent: "ledger", Root: "/srv/in", RunAs: as}}
	cfg.Channels = []mft.Channel{{Name: "c", From: mft.Endpoint{Agent: "erp", Path: "/srv/out"}, RunAs: as}}
	return cfg
}

// served returns the agent's end of a supervisor that would start a program that is
// not there, and what ends the test when it has.
func served(t *testing.T, cfg *config.Config) *post.Conn {
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
		c:     Config{Config: cfg, Worker: Command{Path: filepath.Join(t.TempDir(), "none")}, Log: slog.New(slog.DiscardHandler)},
		table: seat.Of(cfg), workers: make(map[int]*process),
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
	if err := conn.Send(post.Message{Kind: KindWorker, ID: 1, Payload: plain.Append(nil, r)}); err != nil {
		t.Fatal(err)
	}
	m, err := conn.Receive()
	if err != nil {
		t.Fatal(err)
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
			if kind, said := asked(t, served(t, cfg), tt.r); kind != KindRefused || said.Code != tt.want {
				t.Errorf("answer %d %+v, want a refusal with %s", kind, said, tt.want)
			}
		})
	}
	t.Run("flood", func(t *testing.T) {
		conn := served(t, cfg)
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
		"another kind":  {Kind: 9, Payload: request},
		"an answer":     {Kind: KindHere, Payload: request},
		"too short":     {Kind: KindWorker, Payload: request[:3]},
		"too long":      {Kind: KindWorker, Payload: append(request, 0)},
		"far too long":  {Kind: KindWorker, Payload: make([]byte, 1<<20)},
		"with a file":   {Kind: KindWorker, Payload: request, File: null},
		"nothing in it": {Kind: KindWorker},
	} {
		t.Run(name, func(t *testing.T) {
			conn := served(t, places(t))
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
