package doctor

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/exchange/relay/server"
	"mft.dev/mft/exchange/relay/wire"
	"mft.dev/mft/identity"
)

// relayOf has something listen that shows the certificate of an agent, and returns
// where.
func relayOf(t *testing.T, name mft.AgentName) string {
	t.Helper()
	keys, err := identity.LoadOrCreate(t.TempDir(), name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{*keys.Certificate()}, ClientAuth: tls.RequireAnyClientCert, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13,
	})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() { l.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).Handshake() // it fails: nothing is shown to it
			conn.Close()
		}
	})
	return l.Addr().String()
}

// hub is a healthy host that is a relay.
func hub(t *testing.T) (Patient, *localapi.Status) {
	t.Helper()
	p, status := healthy(t)
	dir := filepath.Join(p.Config.Agent.DataDir, "depot")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p.Config.Relay = &storage.Served{
		Listen: leaf.ListenOn(relayOf(t, "erp")), Agents: []leaf.AgentName{"ledger"}, Quota: &storage.Quota{Bytes: 1}, Reserve: 1,
	}
	status.Relay = []server.Held{{Place: wire.Place{Agent: "ledger", Bytes: 0}}}
	return p, status
}

func TestRelay(t *testing.T) {
	away := mft.Fail(mft.CodeNotRunning, "talk to the agent", "/s", nil)
	for _, tt := range []struct {
		name   string
		harm   func(t *testing.T, p *Patient, s *localapi.Status)
		err    error
		grade  Grade
		what   string
		says   string
		remedy string
		unix   bool
	}{
		{name: "healthy", grade: GradeOK, what: "relay", says: "answers with the certificate of erp"},
		{name: "its directory", grade: GradeOK, what: "directory of the relay", says: "can be written to"},
		{name: "its space", grade: GradeOK, what: "space of the relay", says: "in reserve"},
		{name: "its agents", grade: GradeOK, what: "relay", says: "all 1 agents"},
		{
			name: "nothing listens", harm: func(_ *testing.T, p *Patient, _ *localapi.Status) { p.Config.Relay.Listen = "127.0.0.1:1" },
			grade: GradeBad, what: "relay", says: "UNREACHABLE", remedy: "restart the agent",
		},
		{
			name: "another agent listens", harm: func(t *testing.T, p *Patient, _ *localapi.Status) {
				p.Config.Relay.Listen = leaf.ListenOn(relayOf(t, "crm"))
			},
			grade: GradeBad, what: "relay", says: `the certificate of "crm"`, remedy: "relay.listen",
		},
		{name: "no agent, and the port is taken", err: away, grade: GradeBad, what: "relay", says: "in use", remedy: "relay.listen", unix: true},
		{
			name: "no agent", err: away, harm: func(_ *testing.T, p *Patient, _ *localapi.Status) { p.Config.Relay.Listen = "127.0.0.1:0" },
			grade: GradeOK, what: "relay", says: "is free",
		},
		{
			name: "no agent, and a name without a pin", err: away,
			grade: GradeNote, what: "relay", says: "ledger: no peers in the configuration",
		},
		{
			name: "no agent, and a name with a pin", err: away, harm: func(_ *testing.T, p *Patient, _ *localapi.Status) {
				p.Config.Peers = map[mft.AgentName]config.Peer{"ledger": {}}
			},
			grade: GradeOK, what: "relay", says: "all 1 agents",
		},
		{
			name: "agents that are no peers", harm: func(_ *testing.T, p *Patient, _ *localapi.Status) {
				p.Config.Relay.Agents = append(p.Config.Relay.Agents, "crm", "web")
			},
			grade: GradeBad, what: "relay", says: "crm, web: named in relay.agents and no peers", remedy: "mft invite",
		},
		{
			name: "no directory yet", err: away, harm: func(_ *testing.T, p *Patient, _ *localapi.Status) {
				p.Config.Relay.Dir = storage.Path(filepath.Join(p.Config.Agent.DataDir, "none"))
			},
			grade: GradeOK, what: "directory of the relay", says: "none is not there yet",
		},
		{
			name: "the directory is gone", harm: func(_ *testing.T, p *Patient, _ *localapi.Status) {
				p.Config.Relay.Dir = storage.Path(filepath.Join(p.Config.Agent.DataDir, "none"))
			},
			grade: GradeBad, what: "directory of the relay", says: "is gone", remedy: "mount",
		},
		{
			name: "the directory is a file", harm: func(_ *testing.T, p *Patient, _ *localapi.Status) {
				p.Config.Relay.Dir = storage.Path(filepath.Join(p.Config.Agent.KeysDir, "keys.json"))
			},
			grade: GradeBad, what: "directory of the relay", says: "not a directory", remedy: "remove or rename",
		},
		{
			name: "the directory is open to others", harm: func(_ *testing.T, p *Patient, _ *localapi.Status) {
				os.Chmod(filepath.Join(p.Config.Agent.DataDir, "depot"), 0o755)
			},
			grade: GradeWarn, what: "directory of the relay", says: "0755", remedy: "chmod 700", unix: true,
		},
		{
			name: "the directory cannot be written to", harm: func(t *testing.T, p *Patient, _ *localapi.Status) {
				if os.Getuid() == 0 {
					t.Skip("root may write everywhere")
				}
				os.Chmod(filepath.Join(p.Config.Agent.DataDir, "depot"), 0o500)
			},
			grade: GradeBad, what: "directory of the relay", says: "cannot write", remedy: "user of the agent", unix: true,
		},
		{
			name: "the directory is another's", harm: func(t *testing.T, p *Patient, _ *localapi.Status) {
				if os.Getuid() != 0 {
					t.Skip("only root gives things away")
				}
				if err := os.Chown(filepath.Join(p.Config.Agent.DataDir, "depot"), 12345, -1); err != nil {
					t.Fatal(err)
				}
			},
			grade: GradeBad, what: "directory of the relay", says: "another user", remedy: "give it to", unix: true,
		},
		{
			name: "the reserve is used up", harm: func(_ *testing.T, p *Patient, _ *localapi.Status) { p.Config.Relay.Reserve = 1 << 60 },
			grade: GradeBad, what: "space of the relay", says: "less than the reserve", remedy: "INSUFFICIENT_SPACE",
		},
		{
			name: "nearly all that it may keep", harm: func(_ *testing.T, p *Patient, s *localapi.Status) {
				p.Config.Relay.Total, s.Relay[0].Bytes = 1000, 900
			},
			grade: GradeWarn, what: "space of the relay", says: "900 B of 1000 B are kept", remedy: "relay.total",
		},
		{
			name: "room for what is left of that", harm: func(_ *testing.T, p *Patient, s *localapi.Status) {
				p.Config.Relay.Total, s.Relay[0].Bytes = 1000, 300
			},
			grade: GradeOK, what: "space of the relay", says: "300 B kept, room for 700 B more",
		},
		{
			name: "more may come than there is", harm: func(_ *testing.T, p *Patient, _ *localapi.Status) { p.Config.Relay.Quota.Bytes = 1 << 60 },
			grade: GradeNote, what: "space of the relay", says: "beyond that they wait",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.unix && runtime.GOOS == "windows" {
				t.Skip("about permissions and errors of Unix")
			}
			p, status := hub(t)
			if tt.harm != nil {
				tt.harm(t, &p, status)
			}
			p.Agent = fakeAgent{*status, tt.err}
			findings := Examine(t.Context(), p)
			for _, f := range findings {
				if f.Grade == tt.grade && f.What == tt.what && strings.Contains(f.Says, tt.says) && strings.Contains(f.Remedy, tt.remedy) {
					return
				}
			}
			t.Errorf("no finding is %s, about %q, says %q and has the remedy %q:\n%+v", tt.grade, tt.what, tt.says, tt.remedy, findings)
		})
	}
}

// TestHealthyRelayIsSilent: there is nothing to say of a relay that works.
func TestHealthyRelayIsSilent(t *testing.T) {
	p, status := hub(t)
	p.Agent = fakeAgent{status: *status}
	for _, f := range Examine(t.Context(), p) {
		if f.Grade != GradeOK && !strings.HasPrefix(f.What, "space in") {
			t.Errorf("a healthy relay has the finding %+v", f)
		}
	}
}
