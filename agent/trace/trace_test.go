package trace

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
)

func open(t *testing.T) (*Tracer, *journal.Journal) {
	t.Helper()
	j, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Tracer{Self: "erp", Journal: j, Verify: func(*protocol.Envelope, time.Time) error { return nil }, Channels: channels()}, j
}

func channels(list ...mft.Channel) func() []mft.Channel {
	return func() []mft.Channel { return list }
}

func write(t *testing.T, j *journal.Journal, do func(tx *journal.Tx) error) {
	t.Helper()
	if err := j.Update(t.Context(), do); err != nil {
		t.Fatal(err)
	}
}

func find(t *testing.T, tr *Tracer, what string) Report {
	t.Helper()
	r, err := tr.Find(t.Context(), what, false)
	if err != nil {
		t.Fatalf("Find(%q): %v", what, err)
	}
	return r
}

func TestReceipt(t *testing.T) {
	id := mft.TransferID{1}
	signed := func(sender mft.AgentName, of mft.TransferID) []byte {
		return protocol.AppendEnvelope(nil, &protocol.Envelope{
			Version: 1, Kind: protocol.KindReceipt, Transfer: of, Sender: sender, Recipient: "erp", Sequence: 1, Nonce: protocol.Nonce{1},
			Issued: time.Unix(100, 0), Expires: time.Unix(200, 0), Body: []byte{1}, Signature: make([]byte, 64),
		})
	}
	for _, tt := range []struct {
		name     string
		envelope []byte
		verify   error
		verified bool
		problem  string
	}{
		{"its signature fits", signed("ledger", id), nil, true, ""},
		{"its signature does not", signed("ledger", id), mft.Fail(mft.CodeBadSigned, "verify", "ledger", nil), false, "BAD_SIGNATURE"},
		{"another agent signed it", signed("mallory", id), nil, false, "BAD_SIGNATURE"},
		{"it is of another transfer", signed("ledger", mft.TransferID{2}), nil, false, "BAD_SIGNATURE"},
		{"it cannot be read", []byte("x"), nil, false, " "},
		{"it was not kept", nil, nil, false, "was not kept"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr, j := open(t)
			tr.Verify = func(_ *protocol.Envelope, at time.Time) error {
				if !at.Equal(time.Unix(100, 0)) {
					t.Errorf("verified as of %v, want the time of signing", at)
				}
				return tt.verify
			}
			write(t, j, func(tx *journal.Tx) error {
				row := mft.Transfer{ID: id, Role: mft.RoleSend, Peer: "ledger", State: mft.StateDone, Sources: []string{"/srv/out/a"}, Destination: "/srv/in/"}
				return errors.Join(tx.Create(row), tx.StoreReceipt(id, mft.Receipt{Transfer: id, Received: mft.Count{Items: 1}}, tt.envelope))
			})
			r := find(t, tr, id.String())
			if len(r.Hops) != 1 || r.Hops[0].Receipt == nil {
				t.Fatalf("Find = %+v, want one hop with a receipt", r)
			}
			got := r.Hops[0].Receipt
			if got.Verified != tt.verified || !strings.Contains(got.Problem, tt.problem) || !tt.verified && got.Problem == "" {
				t.Errorf("receipt = %+v, want verified %v, because of %q", got, tt.verified, tt.problem)
			}
		})
	}
}

// TestSent: what a transfer names, what lay in a directory that it sent, and what only
// looks like it.
func TestSent(t *testing.T) {
	tr, j := open(t)
	dir := t.TempDir()
	tr.Channels = channels(mft.Channel{Name: "nightly", From: mft.Endpoint{Path: dir}})
	file := filepath.Join(dir, "sub", "a.csv")
	for i, row := range []mft.Transfer{
		{Sources: []string{file, filepath.Join(dir, "b.csv")}, Channel: "nightly", Destination: "/srv/in/"},
		{Sources: []string{dir}, Destination: "/srv/copy/"},
		{Sources: []string{dir + "/"}, Destination: "/srv/copy"},
		{Sources: []string{file + "x"}, Destination: "/srv/in/"},
		{Sources: []string{dir + "/"}, Channel: "nightly", Destination: "/srv/mirror/"},
		{Sources: []string{file}, Destination: "/srv/in/renamed"},
	} {
		row.ID, row.Role, row.Peer, row.State, row.Created = mft.TransferID{byte(i + 1)}, mft.RoleSend, "ledger", mft.StateQueued, time.Unix(int64(i), 0)
		write(t, j, func(tx *journal.Tx) error { return tx.Create(row) })
	}
	for _, tt := range []struct {
		what  string
		there []string
	}{
		{file, []string{"/srv/in/sub/a.csv", "/srv/copy/" + filepath.Base(dir) + "/sub/a.csv", "/srv/copy/sub/a.csv", "/srv/mirror/sub/a.csv", "/srv/in/renamed"}},
		{"a.csv", []string{"/srv/in/sub/a.csv", "/srv/in/renamed"}},
		{"sub/a.csv", []string{"/srv/in/sub/a.csv", "/srv/in/renamed"}},
		{"csv", nil},
		{filepath.Join(dir, "none"), []string{"/srv/copy/" + filepath.Base(dir) + "/none", "/srv/copy/none", "/srv/mirror/none"}},
		{mft.TransferID{9}.String(), nil},
	} {
		r := find(t, tr, tt.what)
		var there []string
		for _, h := range r.Hops {
			there = append(there, string(h.There))
		}
		if strings.Join(there, " ") != strings.Join(tt.there, " ") {
			t.Errorf("Find(%q) names %q, want %q", tt.what, there, tt.there)
		}
	}
}

// TestReceived: a file is known by its name, or by when it got it.
func TestReceived(t *testing.T) {
	tr, j := open(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "a.csv")
	if err := os.WriteFile(file, []byte("a"), 0o644); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i, tt := range []struct {
		created, updated time.Time
		landing          journal.Landing
	}{
		{now.Add(-time.Hour), now.Add(time.Hour), journal.Landing{Root: dir}},
		{now.Add(-2 * time.Hour), now.Add(-time.Hour), journal.Landing{Root: dir}},
		{now.Add(-time.Hour), now.Add(time.Hour), journal.Landing{Root: filepath.Dir(dir), Dir: "other"}},
		{now.Add(-3 * time.Hour), now, journal.Landing{Root: dir, Name: "a.csv"}},
		{now.Add(-time.Hour), now.Add(time.Hour), journal.Landing{Root: dir, Name: "b.csv"}},
	} {
		row := mft.Transfer{ID: mft.TransferID{byte(i + 1)}, Role: mft.RoleReceive, Peer: "erp", State: mft.StateDone, Created: tt.created, Updated: tt.updated}
		write(t, j, func(tx *journal.Tx) error { return errors.Join(tx.Create(row), tx.SetLanding(row.ID, tt.landing)) })
	}
	r := find(t, tr, file)
	if len(r.Hops) != 2 || r.Hops[0].Transfer != (mft.TransferID{4}) || r.Hops[1].Transfer != (mft.TransferID{1}) {
		t.Errorf("Find = %+v, want what was for this name, and what delivered when it got it", r)
	}
	if r = find(t, tr, filepath.Join(dir, "gone")); len(r.Hops) != 0 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "which of 2 transfers") {
		t.Errorf("Find of what is gone = %+v, want how many may have brought it", r)
	}
	if r = find(t, tr, "b.csv"); len(r.Hops) != 1 || string(r.Hops[0].File) != filepath.Join(dir, "b.csv") {
		t.Errorf("Find by a name = %+v, want where it landed", r)
	}
}

// TestStepsOfOneFile: what is told of other files of the transfer is left out.
func TestStepsOfOneFile(t *testing.T) {
	tr, j := open(t)
	row := mft.Transfer{
		ID: mft.TransferID{1}, Role: mft.RoleSend, Peer: "ledger", State: mft.StateQueued, Channel: "nightly",
		Sources: []string{"/srv/out/a.csv", "/srv/out/b.csv"}, Destination: "/srv/in/",
	}
	tr.Channels = channels(mft.Channel{Name: "nightly", From: mft.Endpoint{Path: "/srv/out"}})
	write(t, j, func(tx *journal.Tx) error {
		err := tx.Create(row)
		for _, e := range []mft.Event{
			{Kind: mft.EventDetected, Detail: "a.csv"},
			{Kind: mft.EventDetected, Detail: "b.csv"},
			{Kind: mft.EventDone},
			{Kind: mft.EventSourceRemoved, Detail: `"a.csv"`},
			{Kind: mft.EventSourceRemoved, Detail: `"b.csv": it was gone already`},
			{Kind: mft.EventSourceLeft, Code: mft.CodeSourceLeft, Detail: "2 files could not leave"},
		} {
			if e.Transfer = row.ID; err == nil {
				err = tx.Append(e)
			}
		}
		return err
	})
	var got []string
	for _, s := range find(t, tr, "/srv/out/b.csv").Hops[0].Steps {
		got = append(got, string(s.Kind)+" "+string(s.Detail))
	}
	want := []string{"detected b.csv", "done ", `source-removed "b.csv": it was gone already`, "source-left 2 files could not leave"}
	if !slices.Equal(got, want) {
		t.Errorf("the steps are %q, want %q", got, want)
	}
}
