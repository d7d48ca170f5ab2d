package quickstart

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
)

func TestConfigureRemembers(t *testing.T) {
	dir := t.TempDir()
	mkdir(t, filepath.Join(dir, "alpha"))
	channel := mft.Channel{
		Name: channelName, From: mft.Endpoint{Agent: "alpha", Path: "/out"}, To: []mft.Endpoint{{Agent: "beta", Path: "/in"}},
		When: []mft.Trigger{{Kind: mft.TriggerManual}}, Overwrite: mft.OverwriteReplace,
	}
	first := newHost("alpha", dir)
	if err := first.configure("", channel); err != nil {
		t.Fatal(err)
	}
	again := newHost("alpha", dir)
	if err := again.configure(""); err != nil {
		t.Fatal(err)
	}
	if got, want := again.cfg.Agent, first.cfg.Agent; got != want {
		t.Errorf("the agent of the second run is %+v, want %+v", got, want)
	}
	if len(again.cfg.Channels) != 1 || again.cfg.Channels[0].Name != channelName {
		t.Errorf("channels of the second run: %+v, want that of the first", again.cfg.Channels)
	}

	// Somebody else has taken the port meanwhile.
	l, err := net.Listen("tcp", first.cfg.Agent.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	third := newHost("alpha", dir)
	if err := third.configure(""); err != nil {
		t.Fatal(err)
	}
	if third.cfg.Agent.Listen == first.cfg.Agent.Listen {
		t.Errorf("the third run listens on %s, which is taken", third.cfg.Agent.Listen)
	}
	written, err := config.Load(third.file())
	if err != nil || written.Agent.Listen != third.cfg.Agent.Listen {
		t.Errorf("the new port is not remembered: %+v, %v", written, err)
	}
}

func TestShortSocket(t *testing.T) {
	deep := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	cfg := &config.Config{Agent: config.Agent{DataDir: deep, Socket: filepath.Join(deep, "agent.sock")}}
	moved, err := shortSocket(cfg)
	if err != nil || !moved || len(cfg.Agent.Socket) > longestSocket {
		t.Fatalf("shortSocket: %v, %v, %q; want a short path", moved, err, cfg.Agent.Socket)
	}
	dir := filepath.Dir(cfg.Agent.Socket)
	defer os.RemoveAll(dir)
	if info, err := os.Stat(dir); err != nil || (runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0) {
		t.Errorf("the directory of the socket is open to others: %v, %v", info, err)
	}
	if moved, err := shortSocket(cfg); moved || err != nil {
		t.Errorf("shortSocket of a short path: %v, %v", moved, err)
	}
	old := cfg.Agent.Socket
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	moved, err = shortSocket(cfg)
	defer os.RemoveAll(filepath.Dir(cfg.Agent.Socket))
	if err != nil || !moved || cfg.Agent.Socket == old {
		t.Errorf("shortSocket after a clean-up: %v, %v, %q; want a new path", moved, err, cfg.Agent.Socket)
	}
}
