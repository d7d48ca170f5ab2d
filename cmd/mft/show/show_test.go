package show

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/agent/telemetry"
	"mft.dev/mft/agent/trace"
)

func TestMain(m *testing.M) {
	flag.Parse()
	time.Local = time.UTC // the pages show local times
	os.Exit(m.Run())
}

var update = flag.Bool("update", false, "write the pages in testdata")

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func sampleTransfer() localapi.Transfer {
	return localapi.Transfer{
		ID: mft.TransferID{0xab}, Role: mft.RoleSend, Peer: "ledger", Channel: "nightly", State: mft.StateWaiting,
		Reason:  &localapi.Problem{Code: mft.CodeNoSpace, Detail: "reserve space in \"/srv/in\"", Remedy: mft.CodeNoSpace.Remedy()},
		Sources: []string{"/srv/out/a\nb.csv", "/srv/out/c.csv"}, Destination: "/srv/in/", Overwrite: mft.OverwriteReplace,
		Totals: localapi.Count{Items: 2, Bytes: 3 << 20}, Moved: localapi.Count{Items: 1, Bytes: 1 << 20},
		Compare: mft.CompareQuick, Compress: mft.CompressNever, Mirror: &localapi.Mirror{MaxFiles: 1000, MaxPercent: 50}, Unchanged: localapi.Count{Items: 7, Bytes: 8}, Removed: 9,
		Created: noon, Updated: noon.Add(time.Minute), Attempts: 3,
	}
}

func samplePeer() localapi.Peer {
	return localapi.Peer{
		Name: "ledger", Address: "ledger.example:7420", Pins: []string{"mft1:one", "mft1:two"}, Link: "down", LinkSince: noon,
		LinkReason: &localapi.Problem{Code: mft.CodeUnreachable, Detail: "connection refused", Remedy: mft.CodeUnreachable.Remedy()},
		Software:   "mft/0.1.0\x1b[2J", FilesInto: []string{"/srv/in"}, DeletesFrom: []string{"/srv/in"}, Added: noon,
	}
}

// sampleTrace is what erp knows of a file that went on from ledger, and of one whose other end
// did not answer.
func sampleTrace() trace.Report {
	step := []trace.Step{{Time: noon, Kind: mft.EventOffered}, {Time: noon.Add(time.Second), Kind: mft.EventItem, Code: mft.CodeIO, Detail: "a\x1b"}}
	receipt := &trace.Receipt{Signer: "ledger", Signed: noon, Code: mft.CodeOK, Items: 2, Bytes: 5 << 20, Unchanged: 1, Failed: 1, Verified: true}
	sent := trace.Hop{
		By: "erp", Transfer: mft.TransferID{1}, Role: mft.RoleSend, Peer: "ledger", Channel: "nightly", State: mft.StateDone, File: "/srv/out/a.csv", There: "/srv/in/a.csv",
		Proof: "the transfer names it", Steps: step, Receipt: receipt,
	}
	lost := sent
	lost.Transfer, lost.Peer, lost.Receipt, lost.Steps, lost.State, lost.Code = mft.TransferID{2}, "branch", nil, nil, mft.StateWaiting, mft.CodeUnreachable
	lost.Problem = &trace.Problem{Code: mft.CodeUnreachable, Message: "connect to \"branch\" [UNREACHABLE]"}
	got := sent
	got.By, got.Role, got.Peer, got.There, got.Channel, got.File = "ledger", mft.RoleReceive, "erp", "", "", "/srv/in/a.csv"
	got.Exits = []trace.Exit{{Phase: mft.ExitPost, Command: "/opt/load", Ended: true, Detail: "exit status 0"}, {Phase: mft.ExitError, Ended: true, Status: 3}, {Phase: mft.ExitPost, Command: "/opt/x"}}
	onward := sent
	onward.By, onward.Peer, onward.Transfer, onward.File, onward.There = "ledger", "archive", mft.TransferID{3}, "/srv/in/a.csv", "/srv/keep/a.csv"
	onward.Receipt = &trace.Receipt{Signer: "archive", Items: 1}
	last := got
	last.By, last.Peer, last.Transfer, last.File, last.Exits = "archive", "ledger", mft.TransferID{3}, "", nil
	sent.Beyond = []trace.Hop{got, onward, last}
	return trace.Report{What: "/srv/out/a.csv", Hops: []trace.Hop{lost, sent}, Notes: []string{"archive: tells ledger of their own transfers only"}}
}

// TestPages holds every page to the words in testdata, which people read.
func TestPages(t *testing.T) {
	transfer, peer := sampleTransfer(), samplePeer()
	done := localapi.Transfer{ID: mft.TransferID{1}, Role: mft.RoleReceive, Peer: "erp", State: mft.StateDone, Destination: "/srv/in/", Created: noon}
	tests := []struct {
		name string
		page func(b *strings.Builder)
	}{
		{"transfers", func(b *strings.Builder) { Transfers(b, []localapi.Transfer{transfer, done}) }},
		{"no-transfers", func(b *strings.Builder) { Transfers(b, nil) }},
		{"trace", func(b *strings.Builder) { Trace(b, sampleTrace()) }},
		{"no-trace", func(b *strings.Builder) { Trace(b, trace.Report{What: "nothing\x1b"}) }},
		{"transfer", func(b *strings.Builder) {
			Transfer(b, localapi.TransferDetail{Transfer: transfer, Rate: 5 << 20, Events: []localapi.Event{
				{Seq: 1, Time: noon, Kind: mft.EventDetected, Detail: "a\nb.csv"},
				{Seq: 2, Time: noon.Add(1500 * time.Millisecond), Kind: mft.EventOffered},
				{Seq: 3, Time: noon.Add(2 * time.Second), Kind: mft.EventWaiting, Code: mft.CodeNoSpace, Detail: "reserve space"},
			}})
		}},
		{"exits", func(b *strings.Builder) {
			Transfer(b, localapi.TransferDetail{
				Transfer: done,
				Events: []localapi.Event{
					{Seq: 1, Time: noon, Kind: mft.EventExitBegun, Detail: "post /opt/import \"/in/a\\n.csv\""},
					{Seq: 2, Time: noon.Add(time.Second), Kind: mft.EventExitEnded, Code: mft.CodeExit, Detail: "post /opt/import \"/in/a\\n.csv\": exit status 3, is run again in 10s\nno such table\n\x1b[2Jcleared"},
				},
				Exits: []localapi.Exit{
					{Phase: mft.ExitPost, State: "again", Runs: 1, Failures: 1, Status: 3, Code: mft.CodeExit, Detail: "exit status 3", Command: "/opt/import \"/in/a\\n.csv\""},
					{Phase: mft.ExitPost, State: "ended", Runs: 1, Detail: "exit status 0", Command: "/opt/import /in/b.csv"},
					{Phase: mft.ExitPost, State: "running", Runs: 2, Command: "/opt/import /in/c.csv"},
					{Phase: mft.ExitError, State: "ended", Runs: 3, Code: mft.CodeExit, Detail: "stopped at its time limit", Command: "/opt/tell"},
				},
			})
		}},
		{"peers", func(b *strings.Builder) {
			Peers(b, []localapi.Peer{peer, {Name: "erp", Link: "up", RequestsFrom: []string{"/srv/out", "/srv/more out"}}})
		}},
		{"no-peers", func(b *strings.Builder) { Peers(b, nil) }},
		{"peer", func(b *strings.Builder) { Peer(b, peer) }},
		{"configured-peer", func(b *strings.Builder) { Peer(b, localapi.Peer{Name: "erp", Configured: true, Link: "up"}) }},
		{"may", func(b *strings.Builder) { May(b, peer) }},
		{"keys", func(b *strings.Builder) {
			Keys(b, localapi.Keys{Name: "erp", Keys: []localapi.Key{
				{Pin: "mft1:new", Created: noon, Current: true}, {Pin: "mft1:old", Created: noon.Add(-time.Hour), Retires: noon.Add(24 * time.Hour)},
			}})
		}},
		{"status", func(b *strings.Builder) {
			Status(b, localapi.Status{
				Name: "erp", Version: "0.1.0", Started: noon.Add(-90 * time.Minute), DataDir: "/var/lib/mft", Listen: "[::]:7420", Address: "erp.example:7420",
				Peers: []localapi.Peer{peer}, Counts: map[mft.State]int{mft.StateWaiting: 1, mft.StateDone: 12}, Waiting: []localapi.Transfer{transfer},
				Channels: []localapi.ChannelStatus{
					{Name: "nightly", From: "/srv/out", Watching: "inotify", LastScan: noon.Add(-5 * time.Second), Settling: 2},
					{Name: "broken", From: "/gone", Watching: "scanning", Problem: &localapi.Problem{Code: mft.CodeNotFound, Detail: "open \"/gone\""}},
				},
				Telemetry: []telemetry.Status{
					{Name: "otlp logs", Endpoint: "https://collector.example:4318", Waiting: 1, Sent: 7, Last: noon.Add(-2 * time.Second)},
					{Name: "otlp metrics", Endpoint: "https://collector.example:4318", Sums: true},
					{
						Name: "application insights", Endpoint: "https://eu.example", Waiting: 1200, Dropped: 3, Dropping: "400 Bad Request: too\nold",
						Code: mft.CodeCollectorAway, Detail: "503 Service Unavailable\x1b[2J", Since: noon.Add(-time.Hour),
					},
				},
				Resident: 20 << 20, Notes: []string{"line 3: config.exits: No meaning yet"},
			}, noon)
		}},
		{"empty-status", func(b *strings.Builder) {
			Status(b, localapi.Status{Name: "erp", Version: "0.1.0", Started: noon}, noon)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			tt.page(&b)
			golden := filepath.Join("testdata", tt.name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("the page is\n%s\nwant\n%s", b.String(), want)
			}
			if strings.ContainsRune(b.String(), 0x1b) {
				t.Error("the page commands the terminal")
			}
		})
	}
}

func TestAgo(t *testing.T) {
	tests := []struct {
		d    time.Duration
		want string
	}{
		{-time.Second, "0s"},
		{1400 * time.Millisecond, "1s"},
		{90 * time.Second, "2m"},
		{60 * time.Minute, "1h0m"},
		{47*time.Hour + 31*time.Minute, "47h31m"},
		{72 * time.Hour, "3 days"},
	}
	for _, tt := range tests {
		if got := Ago(tt.d); got != tt.want {
			t.Errorf("Ago(%v) = %q, want %q", tt.d, got, tt.want)
		}
	}
}
