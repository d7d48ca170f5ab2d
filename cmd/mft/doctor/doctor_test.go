package doctor

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/config/collector"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/agent/telemetry"
)

// A fakeAgent is always in the same state.
type fakeAgent struct {
	status localapi.Status
	err    error
}

func (a fakeAgent) Status(context.Context) (localapi.Status, error) { return a.status, a.err }

// a healthy host: nothing is to be found.
func healthy(t *testing.T) (Patient, *localapi.Status) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	data := filepath.Join(t.TempDir(), "data")
	keys := filepath.Join(data, "keys")
	if err := os.MkdirAll(keys, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(keys, "keys.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := &config.Config{Path: "/etc/mft/mft.yaml", Agent: config.Agent{Name: "erp", DataDir: data, KeysDir: keys, Listen: l.Addr().String()}}
	status := &localapi.Status{
		Name: "erp", Version: "1", Listen: l.Addr().String(),
		Peers: []localapi.Peer{{Name: "ledger", Link: "up", FilesInto: []string{data}}},
	}
	return Patient{Config: cfg, Version: "1", Env: func(string) string { return "" }}, status
}

func TestExamine(t *testing.T) {
	problem := func(code mft.Code, detail string) *localapi.Problem {
		return &localapi.Problem{Code: code, Detail: detail, Remedy: code.Remedy()}
	}
	tests := []struct {
		name   string
		harm   func(p *Patient, s *localapi.Status)
		err    error
		grade  Grade
		what   string // of the finding that is wanted
		says   string // part of its words
		remedy string // part of its remedy
		unix   bool   // Windows has no modes
	}{
		{name: "healthy", grade: GradeOK, what: "peer ledger", says: "showed the pinned key"},
		{
			name: "no configuration", harm: func(p *Patient, _ *localapi.Status) {
				p.Err = mft.Fail(mft.CodeConfig, "read configuration", "/x", errors.New("line 3"))
			},
			grade: GradeBad, what: "configuration", says: "line 3", remedy: "mft config check",
		},
		{
			name: "note", harm: func(p *Patient, _ *localapi.Status) { p.Config.Notes = []string{"exits have no meaning"} },
			grade: GradeNote, what: "configuration", says: "exits have no meaning",
		},
		{
			name: "exchange without setup", harm: func(p *Patient, _ *localapi.Status) {
				p.Config.Exchange = &storage.Exchange{Dir: &storage.Dir{Path: storage.Path(p.Config.Agent.DataDir)}}
			},
			grade: GradeBad, what: "exchange", says: "no place there yet", remedy: "mft exchange setup",
		},
		{
			name: "exchange away", harm: func(p *Patient, _ *localapi.Status) {
				p.Config.Exchange = &storage.Exchange{Dir: &storage.Dir{Path: storage.Path(filepath.Join(p.Config.Agent.DataDir, "none"))}}
			},
			grade: GradeBad, what: "exchange", says: "[UNREACHABLE]", remedy: "mft exchange check",
		},
		{
			name: "secret of the exchange away", harm: func(p *Patient, _ *localapi.Status) {
				p.Config.Exchange = &storage.Exchange{Azure: &storage.Azure{
					Account: "exampleaccount", Credential: storage.Credential{AccountKey: &storage.Secret{Env: "NONE"}},
				}}
			},
			grade: GradeBad, what: "exchange", says: "variable NONE is empty", remedy: "mft config check",
		},
		{
			name: "secret of the exchange open to others", harm: func(p *Patient, _ *localapi.Status) {
				file := filepath.Join(p.Config.Agent.DataDir, "secret")
				os.WriteFile(file, nil, 0o600) // empty, so that nobody is asked with it
				os.Chmod(file, 0o644)
				p.Config.Exchange = &storage.Exchange{Azure: &storage.Azure{
					Account: "exampleaccount", Credential: storage.Credential{AccountKey: &storage.Secret{File: storage.Path(file)}},
				}}
			},
			grade: GradeBad, what: "exchange", says: "can be read by others (mode 0644)", remedy: "chmod 600", unix: true,
		},
		{
			name: "secret of telemetry open to others", harm: func(p *Patient, _ *localapi.Status) {
				file := filepath.Join(p.Config.Agent.DataDir, "secret")
				os.WriteFile(file, nil, 0o600)
				os.Chmod(file, 0o644)
				p.Config.Telemetry = &collector.Telemetry{Insights: &collector.Insights{Connection: storage.Secret{File: storage.Path(file)}}}
			},
			grade: GradeBad, what: "telemetry", says: "can be read by others (mode 0644)", remedy: "chmod 600", unix: true,
		},
		{
			name: "collector away", harm: func(_ *Patient, s *localapi.Status) {
				s.Telemetry = []telemetry.Status{{Name: "otlp logs", Endpoint: "https://c.example", Waiting: 7, Code: mft.CodeCollectorAway, Detail: "no route"}}
			},
			grade: GradeWarn, what: "telemetry otlp logs", says: "7 events wait: no route [COLLECTOR_AWAY]", remedy: "transfers",
		},
		{
			name: "collector refuses", harm: func(_ *Patient, s *localapi.Status) {
				s.Telemetry = []telemetry.Status{{Name: "otlp metrics", Sums: true, Code: mft.CodeCollectorRefuses, Detail: "401"}}
			},
			grade: GradeBad, what: "telemetry otlp metrics", says: "sums miss nothing: 401 [COLLECTOR_REFUSES]", remedy: "headers",
		},
		{
			name: "collector drops", harm: func(_ *Patient, s *localapi.Status) {
				s.Telemetry = []telemetry.Status{{Name: "otlp logs", Dropped: 3, Dropping: "too old", Last: time.Unix(1, 0)}}
			},
			grade: GradeWarn, what: "telemetry otlp logs", says: "3 events were dropped", remedy: "log",
		},
		{
			name: "data open to others", harm: func(p *Patient, _ *localapi.Status) { os.Chmod(p.Config.Agent.DataDir, 0o755) },
			grade: GradeWarn, what: "data directory", says: "0755", remedy: "chmod 700", unix: true,
		},
		{
			name: "data is a file", harm: func(p *Patient, _ *localapi.Status) {
				p.Config.Agent.DataDir = filepath.Join(p.Config.Agent.KeysDir, "keys.json")
			},
			grade: GradeBad, what: "data directory", says: "it is not a directory", remedy: "remove or rename",
		},
		{
			name: "nothing started yet", harm: func(p *Patient, _ *localapi.Status) { os.RemoveAll(p.Config.Agent.DataDir) },
			grade: GradeOK, what: "data directory", says: "the agent makes it",
		},
		{
			name: "keys open to others", harm: func(p *Patient, _ *localapi.Status) {
				os.Chmod(filepath.Join(p.Config.Agent.KeysDir, "keys.json"), 0o640)
			},
			grade: GradeBad, what: "keys", says: "0640", remedy: "chmod 600", unix: true,
		},
		{
			name: "no agent", err: mft.Fail(mft.CodeNotRunning, "talk to the agent", "/s", nil),
			grade: GradeBad, what: "agent", says: "AGENT_NOT_RUNNING", remedy: "mft run",
		},
		{
			name: "no agent, and its port is taken", err: mft.Fail(mft.CodeNotRunning, "", "", nil),
			grade: GradeBad, what: "port", says: "in use", remedy: "agent.listen", unix: true,
		},
		{
			name: "no agent, and a peer that is down", err: mft.Fail(mft.CodeNotRunning, "", "", nil),
			harm: func(p *Patient, _ *localapi.Status) {
				p.Config.Peers = map[mft.AgentName]config.Peer{"ledger": {Address: "127.0.0.1:1"}}
			},
			grade: GradeBad, what: "peer ledger", says: "127.0.0.1:1", remedy: "firewall",
		},
		{
			name: "another version", harm: func(p *Patient, _ *localapi.Status) { p.Version = "2" },
			grade: GradeWarn, what: "version", says: "the agent is 1, this program is 2", remedy: "restart",
		},
		{
			name: "the agent does not accept", harm: func(_ *Patient, s *localapi.Status) { s.Listen = "127.0.0.1:1" },
			grade: GradeBad, what: "port", says: "127.0.0.1:1",
		},
		{
			name: "no peers", harm: func(_ *Patient, s *localapi.Status) { s.Peers = nil },
			grade: GradeWarn, what: "peers", says: "nothing can move", remedy: "mft invite",
		},
		{
			name: "peer with another key", harm: func(_ *Patient, s *localapi.Status) {
				s.Peers[0].Link, s.Peers[0].LinkReason = "down", problem(mft.CodeUntrusted, "it showed mft1:x")
			},
			grade: GradeBad, what: "peer ledger", says: "it showed mft1:x [UNTRUSTED_KEY]", remedy: "attack",
		},
		{
			name: "peer that has to dial", harm: func(_ *Patient, s *localapi.Status) { s.Peers[0].Link = "down" },
			grade: GradeWarn, what: "peer ledger", says: "has to dial this host", remedy: "mft doctor",
		},
		{
			name: "peer without grants", harm: func(_ *Patient, s *localapi.Status) { s.Peers[0].FilesInto = nil },
			grade: GradeNote, what: "peer ledger", says: "mft peer allow ledger",
		},
		{
			name: "clock, by a peer", harm: func(_ *Patient, s *localapi.Status) {
				s.Peers[0].Link, s.Peers[0].LinkReason = "down", problem(mft.CodeExpired, "past its time")
			},
			grade: GradeBad, what: "clock", says: "peer ledger: past its time", remedy: "set the clocks",
		},
		{
			name: "clock", harm: func(_ *Patient, s *localapi.Status) {
				s.Waiting = []localapi.Transfer{{Reason: problem(mft.CodeExpired, "issued in the future")}}
			},
			grade: GradeBad, what: "clock", says: "issued in the future", remedy: "set the clocks",
		},
		{
			name: "grant of nothing", harm: func(p *Patient, s *localapi.Status) {
				s.Peers[0].FilesInto = []string{filepath.Join(p.Config.Agent.DataDir, "gone")}
			},
			grade: GradeWarn, what: "space in", says: "no such directory", remedy: "make it",
		},
		{
			name: "channel", harm: func(_ *Patient, s *localapi.Status) {
				s.Channels = []localapi.ChannelStatus{{Name: "out", Problem: problem(mft.CodeNotFound, "open \"/gone\"")}}
			},
			grade: GradeBad, what: "channel out", says: "/gone", remedy: "check the path",
		},
		{
			name: "transfers that wait", harm: func(_ *Patient, s *localapi.Status) {
				full := localapi.Transfer{Reason: problem(mft.CodeNoSpace, "no room in /srv")}
				s.Waiting = []localapi.Transfer{full, full, {Reason: problem(mft.CodeUnreachable, "")}}
			},
			grade: GradeWarn, what: "transfers", says: "2 wait, such as", remedy: "free space",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.unix && runtime.GOOS == "windows" {
				t.Skip("about permissions and errors of Unix")
			}
			p, status := healthy(t)
			if tt.harm != nil {
				tt.harm(&p, status)
			}
			p.Agent = fakeAgent{*status, tt.err}
			findings := Examine(t.Context(), p)
			for _, f := range findings {
				if f.Grade == tt.grade && strings.HasPrefix(f.What, tt.what) && strings.Contains(f.Says, tt.says) && strings.Contains(f.Remedy, tt.remedy) {
					return
				}
			}
			t.Errorf("no finding is %s, about %q, says %q and has the remedy %q:\n%+v", tt.grade, tt.what, tt.says, tt.remedy, findings)
		})
	}
}

func TestHealthyIsSilent(t *testing.T) {
	p, status := healthy(t)
	p.Agent = fakeAgent{status: *status}
	for _, f := range Examine(t.Context(), p) {
		if f.Grade != GradeOK && !strings.HasPrefix(f.What, "space") {
			t.Errorf("a healthy host has the finding %+v", f)
		}
	}
}

// TestBadHasRemedy: whoever is told that something is bad is told what to do.
func TestBadHasRemedy(t *testing.T) {
	p, _ := healthy(t)
	os.Chmod(filepath.Join(p.Config.Agent.KeysDir, "keys.json"), 0o644)
	p.Agent = fakeAgent{err: mft.Fail(mft.CodeNotRunning, "", "", nil)}
	n := 0
	for _, f := range Examine(t.Context(), p) {
		if f.Grade == GradeBad {
			n++
			if f.Remedy == "" {
				t.Errorf("no remedy for %+v", f)
			}
		}
	}
	if n == 0 {
		t.Error("nothing is bad, want the agent at least")
	}
}
