package config

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/collector"
	"mft.dev/mft/agent/config/releases"
	"mft.dev/mft/agent/config/storage"
)

// unseen leaves out what of a configuration is never written.
var unseen = cmpopts.IgnoreUnexported(storage.Secret{})

// defaults is what a host without a file has, made up.
func defaults() *Config {
	return &Config{
		Agent: Agent{
			Name: "host", Listen: ":7420", DataDir: "/var/lib/mft", KeysDir: "/var/lib/mft/keys",
			Socket: "/var/lib/mft/agent.sock", MaxTransfers: 8,
		},
		Peers: map[mft.AgentName]Peer{},
	}
}

func sample(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestFull(t *testing.T) {
	got, err := read(sample(t, "full.yaml"), defaults())
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Agent: Agent{
			Name: "erp", Listen: ":7420", Address: "erp.example:7420", DataDir: "/var/lib/mft",
			KeysDir: "/etc/mft/keys", Socket: "/run/mft/agent.sock", SocketGroup: "mft",
			LogLevel: slog.LevelDebug, MaxTransfers: 16,
		},
		Peers: map[mft.AgentName]Peer{
			"ledger": {Address: "ledger.example:7420", Pins: []string{"mft1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}},
			"branch": {Pins: []string{
				"mft1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE",
				"mft1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAI",
			}, Path: mft.PathRelay},
		},
		Telemetry: &collector.Telemetry{
			OTLP: &collector.OTLP{
				Endpoint: "https://collector.example:4317", Protocol: collector.GRPC, Signals: collector.Signals{collector.Traces, collector.Metrics},
				Headers: map[collector.Header]storage.Secret{"api-key": {File: "/etc/mft/collector.key"}},
				TLS:     &collector.TLS{CA: "/etc/mft/roots.pem", Certificate: "/etc/mft/agent.pem", Key: "/etc/mft/agent.key"}, Compression: collector.Plain,
				Interval: "30s",
			},
			Insights:   &collector.Insights{Connection: storage.Secret{Env: "APPLICATIONINSIGHTS_CONNECTION_STRING"}},
			Details:    collector.DetailsNone,
			Attributes: map[collector.Attribute]collector.Value{"deployment.environment.name": "production"},
		},
		Update: &releases.Update{From: "https://files.example/mft/", Keys: []releases.Key{"mftr1:WGF1PZojzVF9R2RP8fjbB9EN8ShwNS2WijCsdX2eGdA"}},
		Exchange: &storage.Exchange{Azure: &storage.Azure{Account: "exampleaccount", Credential: storage.Credential{
			Certificate: &storage.Certificate{
				TenantID: "00000000-0000-0000-0000-000000000001", ClientID: "00000000-0000-0000-0000-000000000002",
				File: "/etc/mft/exchange.pem", Password: &storage.Secret{Env: "MFT_EXCHANGE_PASSWORD"},
			},
		}}},
		Allow: mft.AllowList{
			FilesFrom: []mft.Grant{
				{Agent: "ledger", Root: "/srv/in"},
				{Agent: "branch", Root: "/srv/branch", AllowSetID: true, AllowRootSetID: true, Markers: []mft.Marker{
					{Kind: mft.MarkerBlock, End: mft.EndDestination, Path: "/srv/branch/.busy"},
					{Kind: mft.MarkerCompletion, End: mft.EndDestination, Path: "/srv/branch/.done"},
					{Kind: mft.MarkerCompletion, End: mft.EndDestination, Path: "/srv/branch/.nightly"},
				}, Versions: mft.VersionBound{Keep: 5, MaxAge: 720 * time.Hour}},
			},
			RequestsFrom: []mft.Grant{{Agent: "ledger", Root: "/srv/out"}},
			TracesFrom:   []mft.AgentName{"ledger"},
		},
		Groups: []mft.ServerGroup{
			{Name: "near", Members: []mft.AgentName{"erp", "branch"}, Active: mft.ActiveProbe, Marker: "/srv/ready", After: time.Minute},
			{Name: "pair", Members: []mft.AgentName{"ledger", "branch"}, Active: mft.ActiveMarker, Marker: "/srv/cluster/active", After: 30 * time.Second},
		},
		Calendars: []mft.Calendar{
			{Name: "gulf", Workdays: "sun-thu"},
			{Name: "uk", Workdays: "mon-fri", Holidays: []string{"2026-12-25", "01-01"}},
		},
		Channels: []mft.Channel{
			{
				Name: "outbox", From: mft.Endpoint{Agent: "erp", Path: "/srv/out"},
				To:        []mft.Endpoint{{Agent: "ledger", Path: "/srv/in"}, {Agent: "branch", Path: `C:\in`}},
				When:      []mft.Trigger{{Kind: mft.TriggerArrival, Stable: 500 * time.Millisecond, Rescan: time.Minute}},
				Select:    mft.Selection{Include: []string{"*.csv"}, Exclude: []string{"*.tmp"}},
				Overwrite: mft.OverwriteVersion, Compare: mft.CompareQuick, Compress: mft.CompressAuto,
			},
			{
				Name: "inward", From: mft.Endpoint{Agent: "branch", Path: "/srv/out"},
				To:        []mft.Endpoint{{Agent: "erp", Path: "/srv/in"}},
				When:      []mft.Trigger{{Kind: mft.TriggerSchedule, Expression: "0 3 * * *"}},
				Days:      mft.Days{On: mft.OnWorkday, Calendar: mft.Calendar{Name: "theirs", Workdays: "mon-fri"}},
				Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick, Compress: mft.CompressAuto,
			},
			{
				Name: "nightly", From: mft.Endpoint{Agent: "erp", Path: "/srv/night"},
				To:         []mft.Endpoint{{Group: "pair", Path: "/srv/in"}},
				When:       []mft.Trigger{{Kind: mft.TriggerSchedule, Expression: "0 2 * * *", Zone: "Europe/London"}, {Kind: mft.TriggerMarker}},
				Days:       mft.Days{On: mft.OnNext, Calendar: mft.Calendar{Name: "uk", Workdays: "mon-fri", Holidays: []string{"2026-12-25", "01-01"}}},
				SkipMissed: true, SkipOverlap: true,
				Expect: mft.Expectation{DueBy: "30 3 * * *", Zone: "Europe/London", Grace: time.Hour},
				Markers: []mft.Marker{
					{Kind: mft.MarkerActivity, End: mft.EndSource, Path: "/srv/night/.sending"},
					{Kind: mft.MarkerTrigger, End: mft.EndDestination, Path: "/srv/in/.ready"},
					{Kind: mft.MarkerBlock, End: mft.EndDestination, Path: "/srv/in/.busy"},
					{Kind: mft.MarkerCompletion, End: mft.EndDestination, Path: "/srv/in/.done"},
				},
				Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick, Compress: mft.CompressAuto,
			},
			{
				Name: "by-hand", From: mft.Endpoint{Agent: "erp", Path: "/srv/hand"},
				To:     []mft.Endpoint{{Agent: "ledger", Path: "/srv/in"}},
				When:   []mft.Trigger{{Kind: mft.TriggerManual}},
				Select: mft.Selection{Latest: 3},
				Order:  mft.Order{By: mft.OrderByTime, Batch: 2},
				After:  mft.After{Source: mft.SourceArchive, Archive: "/srv/sent"},
				Bandwidth: mft.Bandwidth{
					Limit: 20 << 20, Zone: "Europe/London", Calendar: mft.Calendar{Name: "uk", Workdays: "mon-fri", Holidays: []string{"2026-12-25", "01-01"}},
					Hours: []mft.Hours{{From: 8 * time.Hour, To: 18 * time.Hour, On: mft.OnWorkday, Limit: 2 << 20}, {From: 22 * time.Hour, To: 24 * time.Hour}},
				},
				Overwrite: mft.OverwriteNever, Compare: mft.CompareQuick, Compress: mft.CompressNever, Preserve: mft.PreserveAll,
			},
			{
				Name: "copy", From: mft.Endpoint{Agent: "erp", Path: "/srv/all"},
				To:   []mft.Endpoint{{Agent: "ledger", Path: "/srv/copy"}},
				When: []mft.Trigger{{Kind: mft.TriggerPoll, Every: time.Hour}},
				Select: mft.Selection{
					Rules: []string{"- *.tmp", "- /cache/"}, MinSize: 1 << 10, MaxSize: 1 << 30, MinAge: time.Minute, MaxAge: 48 * time.Hour, Symlinks: mft.SymlinksSkip,
				},
				Mirror:    mft.Mirror{On: true, MaxFiles: 100, MaxPercent: 10},
				Guard:     mft.Guard{MountPoint: true, NotEmpty: true, Check: []string{"/usr/local/bin/good", "/srv/all"}, Timeout: 30 * time.Second},
				Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick, Compress: mft.CompressAuto,
			},
		},
		Exits: []mft.Exit{
			{
				Phase: mft.ExitPost, From: "ledger", Channel: "nightly", Match: `\.csv$`, Run: []string{"/usr/local/bin/import", "--", "{fileName}"},
				User: "erp", Group: "erp", Directory: "/srv/in", Umask: "022", Timeout: 5 * time.Minute, Retries: 3, RetryDelay: 30 * time.Second, Once: true,
			},
			{Phase: mft.ExitPre, Run: []string{"/usr/local/bin/may", "it be"}},
			{Phase: mft.ExitError, At: mft.EndSource, From: "branch", Run: []string{"/usr/local/bin/tell", "{code}"}},
			{Phase: mft.ExitError, From: "branch", Channel: "inward", Run: []string{"/usr/local/bin/tell", "{reason}"}},
			{Phase: mft.ExitPost, At: mft.EndSource, Channel: "by-hand", Run: []string{"/usr/local/bin/sent", "{fullFilePath}"}},
		},
		Notes: []string{"channel inward starts at agent branch; agent erp does not start it"},
	}
	if diff := cmp.Diff(want, got, unseen); diff != "" {
		t.Errorf("read(full.yaml) differs (-want +got):\n%s", diff)
	}
}

func TestWhatTheFileLeavesOut(t *testing.T) {
	tests := []struct {
		name, content string
		change        func(*Config)
	}{
		{"empty file", "", func(*Config) {}},
		{"only a comment", "# nothing\n", func(*Config) {}},
		{"empty sections", "agent:\npeers:\nallow:\nchannels:\n", func(*Config) {}},
		{"data moves keys and socket", "agent: {data: /srv/mft}", func(c *Config) {
			c.Agent.DataDir, c.Agent.KeysDir, c.Agent.Socket = "/srv/mft", "/srv/mft/keys", "/srv/mft/agent.sock"
		}},
		{"arrival has defaults", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: arrival}]", func(c *Config) {
			c.Channels = []mft.Channel{{
				Name: "c", From: mft.Endpoint{Agent: "host", Path: "/a"}, To: []mft.Endpoint{{Agent: "b", Path: "/b"}},
				When:      []mft.Trigger{{Kind: mft.TriggerArrival, Stable: 2 * time.Second}},
				Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick, Compress: mft.CompressAuto,
			}}
		}},
		{"expectations", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: {poll: 1h, timezone: Europe/London}, expect: {due_by: \"2:30\", size: {min: 1MiB, max: 3GiB}, count: {max: 500}}}]", func(c *Config) {
			c.Channels = []mft.Channel{{
				Name: "c", From: mft.Endpoint{Agent: "host", Path: "/a"}, To: []mft.Endpoint{{Agent: "b", Path: "/b"}},
				When:      []mft.Trigger{{Kind: mft.TriggerPoll, Every: time.Hour}},
				Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick, Compress: mft.CompressAuto,
				Expect: mft.Expectation{
					DueBy: "30 2 * * *", Zone: "Europe/London", Grace: time.Hour, Size: mft.Range{Min: 1 << 20, Max: 3 << 30}, Count: mft.Range{Max: 500},
				},
			}}
		}},
		{"a channel of another agent", "channels: [{name: c, from: {agent: a, path: /a}, to: [{agent: host, path: /b}], when: {arrival: }}]", func(c *Config) {
			c.Channels = []mft.Channel{{
				Name: "c", From: mft.Endpoint{Agent: "a", Path: "/a"}, To: []mft.Endpoint{{Agent: "host", Path: "/b"}},
				When:      []mft.Trigger{{Kind: mft.TriggerArrival, Stable: 2 * time.Second}},
				Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick, Compress: mft.CompressAuto,
			}}
			c.Notes = []string{"channel c starts at agent a; agent host does not start it"}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := read([]byte(tt.content), defaults())
			if err != nil {
				t.Fatal(err)
			}
			want := defaults()
			tt.change(want)
			if diff := cmp.Diff(want, got, unseen); diff != "" {
				t.Errorf("read(%q) differs (-want +got):\n%s", tt.content, diff)
			}
		})
	}
}

func TestAzureMFT(t *testing.T) {
	tests := []struct {
		file  string
		level slog.Level
		files []mft.Grant
		asks  []mft.Grant
		by    storage.Credential
		notes []string // the beginning of each
		match string
	}{
		{
			file:  "azure-readme.yaml",
			files: []mft.Grant{{Agent: "ledger", Root: "/"}},
			asks:  []mft.Grant{{Agent: "branch", Root: "/"}},
			by:    storage.Credential{ManagedIdentity: &storage.ManagedIdentity{}},
			notes: []string{
				"this file is in the words of azure-mft",
				"the storage account is the exchange",
				"app_insights_key: the events of transfers go to Application Insights at https://dc.services.visualstudio.com",
				"allow_files_from: allowed_agent_name is no legal agent name",
				"allow_files_from lets those agents write wherever",
				"allow_requests_from lets those agents ask",
				`line 14: config.exits[0]: match: "*\\\\.txt$" is no regular expression; it is taken for "\\.txt$"`,
			},
			match: `*\\.txt$`,
		},
		{
			file:  "azure-code.yaml",
			level: slog.LevelDebug,
			files: []mft.Grant{{Agent: "ledger", Root: "/"}},
			asks:  []mft.Grant{{Agent: "ledger", Root: "/"}, {Agent: "branch", Root: "/"}},
			by:    storage.Credential{AccountKey: &storage.Secret{Env: "MFT_STORAGE_KEY"}},
			notes: []string{
				"this file is in the words of azure-mft",
				"line 6: config.paths.keys_dir: ",
				"line 7: config.paths.cache_dir: ",
				"line 8: config.paths.tmp_dir: ",
				"account_key is a secret in a file",
				"the storage account is the exchange",
				"instrumentation_key: the events of transfers go to Application Insights at https://dc.services.visualstudio.com",
				"allow_files_from lets",
				"allow_requests_from lets",
			},
			match: `.*\.txt$`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			got, err := read(sample(t, tt.file), defaults())
			if err != nil {
				t.Fatal(err)
			}
			notes := got.Notes
			got.Notes = nil
			want := defaults()
			want.Agent.Name, want.Agent.LogLevel = "erp", tt.level
			want.Exchange = &storage.Exchange{Azure: &storage.Azure{Account: "exampleaccount", Credential: tt.by}}
			want.Telemetry = &collector.Telemetry{Insights: &collector.Insights{Connection: storage.Secret{Env: "APPLICATIONINSIGHTS_CONNECTION_STRING"}}}
			want.Allow = mft.AllowList{FilesFrom: tt.files, RequestsFrom: tt.asks}
			want.Exits = []mft.Exit{{Phase: mft.ExitPost, From: "ledger", Match: tt.match, Run: []string{"cat", "{fullFilePath}"}}}
			if diff := cmp.Diff(want, got, unseen); diff != "" {
				t.Errorf("read(%s) differs (-want +got):\n%s", tt.file, diff)
			}
			if len(notes) != len(tt.notes) {
				t.Fatalf("read(%s) made the notes\n%s\nwant %d", tt.file, strings.Join(notes, "\n"), len(tt.notes))
			}
			for i, note := range notes {
				if !strings.HasPrefix(note, tt.notes[i]) {
					t.Errorf("note %d of %s is %q, want it to start %q", i, tt.file, note, tt.notes[i])
				}
				if strings.Contains(note, "bm90IGEga2V5") {
					t.Errorf("note %d of %s shows the account key", i, tt.file)
				}
			}
		})
	}
}

func TestUnconfinedNote(t *testing.T) {
	for _, tt := range []struct {
		name, content string
		want          bool
	}{
		{"none of them", "agent: {name: erp, user: mft}\nexits: [{phase: post, agent: a, run: [/usr/bin/true]}]\n", false},
		{"one user", "agent: {name: erp}\nexits: [{phase: post, agent: a, run: [/usr/bin/true], unconfined: true}]\n", false},
		{"both", "agent: {name: erp, user: mft}\nexits: [{phase: post, agent: a, run: [/usr/bin/true], unconfined: true}]\n", true},
	} {
		got, err := read([]byte(tt.content), defaults())
		if err != nil {
			t.Fatal(err)
		}
		if told := strings.Contains(strings.Join(got.Notes, "\n"), "has the walls of the agent all the same"); told != tt.want {
			t.Errorf("%s: notes %q, want one %t", tt.name, got.Notes, tt.want)
		}
	}
}

// TestTelemetryNote: what is read after it does not take its note away.
func TestTelemetryNote(t *testing.T) {
	got, err := read([]byte("agent: {name: erp}\ntelemetry: {otlp: {endpoint: \"http://collector.example:4318\", headers: {api-key: {env: KEY}}}}\n"), defaults())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "in the clear") {
		t.Errorf("notes %q, want one about headers in the clear", got.Notes)
	}
}

func TestInsightsKey(t *testing.T) {
	const key = "00000000-0000-0000-0000-00000000000a"
	for _, tt := range []struct {
		name, section string
		want          string // that is read, "" for no telemetry
		note          string
	}{
		{"of the README", "app_insights_key: " + key, key, "go to Application Insights at https://dc."},
		{"a connection string", "app_insights_key: InstrumentationKey=" + key + ";IngestionEndpoint=https://eu.example/", "InstrumentationKey=" + key + ";IngestionEndpoint=https://eu.example/", "https://eu.example;"},
		{"of the code", "azure: {instrumentation_key: " + key + "}", key, "instrumentation_key: "},
		{"none", "app_insights_key: aaaabbbb", "", "app_insights_key is of no use: it has no instrumentation key"},
		{"left out", "agent: {name: erp}", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			content := "config:\n  " + tt.section + "\n"
			if !strings.Contains(content, "agent:") {
				content += "  agent: {name: erp}\n"
			}
			got, err := read([]byte(content), defaults())
			if err != nil {
				t.Fatal(err)
			}
			key := ""
			if got.Telemetry != nil {
				if key, err = got.Telemetry.Insights.Connection.Read(func(string) string { return "" }); err != nil {
					t.Error(err)
				}
			}
			notes := strings.Join(got.Notes, "\n")
			if key != tt.want || !strings.Contains(notes, tt.note) || strings.Contains(notes, "aaaabbbb") {
				t.Errorf("the key is %q, want %q; notes:\n%s", key, tt.want, notes)
			}
		})
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mft.yaml")
	if err := os.WriteFile(path, []byte("agent:\n  nmae: erp\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path)
	if mft.CodeOf(err) != mft.CodeConfig {
		t.Fatalf("Load: error %v, want code %s", err, mft.CodeConfig)
	}
	want := "line 2: agent.nmae: unknown key, did you mean name?"
	if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
		t.Errorf("Load: error %q, want it to hold %q and %q", err, path, want)
	}
	var m Mistakes
	if !errors.As(err, &m) || len(m) != 1 || m[0].Line != 2 {
		t.Errorf("Load: mistakes %v, want one on line 2", m)
	}
}

func TestLoadWithoutFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.yaml")
	_, err := Load(path)
	if mft.CodeOf(err) != mft.CodeConfig || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load of nothing: error %v, want code %s and os.ErrNotExist", err, mft.CodeConfig)
	}
	if n := strings.Count(err.Error(), path); n != 1 {
		t.Errorf("Load of nothing: %q names the path %d times, want once", err, n)
	}
}

func TestLoadRefusesLargeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mft.yaml")
	content := strings.Repeat("# filler\n", maxFile/9+1)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("Load of %d bytes: error %v, want a refusal for its size", len(content), err)
	}
}

// TestExchangeRead: what the section exchange says is what the agent is told.
func TestExchangeRead(t *testing.T) {
	cfg, err := read([]byte(`exchange:
  shared: true
  nats:
    servers: ["tls://nats-1.example:4222", "tls://nats-2.example:4222"]
    credential: {creds: {file: /etc/mft/erp.creds}}
    tls: {ca: /etc/mft/ca.pem, first: true}
    replicas: 3
    containers:
      s3: {bucket: contoso-mft, prefix: mft/, region: eu-central-1}
`), defaults())
	if err != nil {
		t.Fatal(err)
	}
	x := cfg.Exchange
	if !x.Shared || len(x.NATS.Servers) != 2 || x.NATS.Replicas != 3 || !x.NATS.TLS.First ||
		x.NATS.Credential.Creds.File != "/etc/mft/erp.creds" || x.NATS.Containers.S3.Prefix != "mft/" {
		t.Errorf("read: %+v, %+v", x, x.NATS)
	}
}

// TestLoadAlone: who only asks the agent does not stumble over a file of holidays that is broken.
func TestLoadAlone(t *testing.T) {
	dir := t.TempDir()
	path, days := filepath.Join(dir, "mft.yaml"), filepath.Join(dir, "days")
	for name, content := range map[string]string{path: "agent: {name: a, data: " + dir + "}\ncalendars: {uk: {file: " + days + "}}\n", days: "nonsense\n"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Load(path); mft.CodeOf(err) != mft.CodeConfig {
		t.Errorf("Load: %v", err)
	}
	if cfg, err := LoadAlone(path); err != nil || cfg.Agent.DataDir != dir {
		t.Errorf("LoadAlone: %+v, %v", cfg, err)
	}
	if err := os.WriteFile(path, []byte("agent: {nam: a}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadAlone(path); mft.CodeOf(err) != mft.CodeConfig {
		t.Errorf("LoadAlone of a broken file: %v", err)
	}
}
