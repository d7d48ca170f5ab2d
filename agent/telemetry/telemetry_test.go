package telemetry

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/collector"
	"mft.dev/mft/agent/telemetry/tally"
	"mft.dev/mft/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A host is a journal whose events are told.
type host struct {
	t    *testing.T
	name mft.AgentName
	dir  string
	j    *journal.Journal
	env  map[string]string

	exporter *Exporter
	stop     func()
}

func newHost(t *testing.T, name mft.AgentName) *host {
	t.Helper()
	h := &host{t: t, name: name, dir: t.TempDir(), env: map[string]string{}}
	j, err := journal.Open(t.Context(), filepath.Join(h.dir, "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	h.j = j
	t.Cleanup(func() {
		h.halt()
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// quick has no test wait for long.
var quick = Delays{Gather: time.Millisecond, First: time.Millisecond, Most: 5 * time.Millisecond, Save: 5 * time.Millisecond}

// tell starts an exporter.
func (h *host) tell(section *collector.Telemetry) *Exporter {
	h.t.Helper()
	e := New(Config{
		Section: section, Agent: h.name, Version: "1.2.3", Dir: h.dir, Delays: quick,
		Env: func(name string) string { return h.env[name] },
	})
	e.Follow(h.j)
	if e.numbers != nil {
		e.numbers.interval = time.Millisecond
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { e.Run(ctx) })
	h.exporter, h.stop = e, func() { cancel(); all.Wait() }
	return e
}

// halt ends the exporter.
func (h *host) halt() {
	if h.stop != nil {
		h.stop()
		h.stop = nil
	}
}

func newID() (id mft.TransferID) {
	rand.Read(id[:])
	id[6], id[8] = 0x70|id[6]&0xf, 0x80|id[8]&0x3f
	return id
}

// start is when everything happens in tests, a second apart.
var start = time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)

// A step is an event of a transfer.
type step struct {
	kind   mft.EventKind
	code   mft.Code
	detail string
}

// aRow returns a transfer.
func aRow(id mft.TransferID, role mft.Role, peer mft.AgentName) mft.Transfer {
	return mft.Transfer{
		ID: id, Role: role, Peer: peer, Channel: "nightly", State: mft.StatePlanned, Created: start, Updated: start,
		Sources: []string{"/srv/secret-name"}, Overwrite: mft.OverwriteReplace,
		Moved: mft.Count{Items: 3, Bytes: 4096}, Totals: mft.Count{Items: 3, Bytes: 4096},
	}
}

// happen writes events of a transfer, which it makes first if there is none.
func (h *host) happen(row mft.Transfer, steps ...step) {
	h.t.Helper()
	err := h.j.Update(h.t.Context(), func(tx *journal.Tx) error {
		if _, known, err := tx.Transfer(row.ID); err != nil {
			return err
		} else if !known {
			if err := tx.Create(row); err != nil {
				return err
			}
		}
		for i, s := range steps {
			e := mft.Event{
				Time: start.Add(time.Duration(i) * time.Second), Kind: s.kind, Transfer: row.ID, Channel: row.Channel, Peer: row.Peer,
				Code: s.code, Detail: s.detail,
			}
			if err := tx.Append(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// whole are the events of a quick transfer.
func whole() []step {
	return []step{
		{kind: mft.EventPlanned},
		{kind: mft.EventOffered},
		{kind: mft.EventAccepted},
		{kind: mft.EventMoving, detail: "over the direct link"},
		{kind: mft.EventVerified},
		{kind: mft.EventDelivered},
		{kind: mft.EventDone},
	}
}

// eventually waits until f holds, and fails after half a minute.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !f() {
		if !pause(ctx, time.Millisecond) {
			t.Fatalf("never: %s", what)
		}
	}
}

// TestReadingIsNoChange: an agent to which nothing happens writes nothing, though
// its sums are sent again and again.
func TestReadingIsNoChange(t *testing.T) {
	m, err := recall(filepath.Join(t.TempDir(), "telemetry.json"), 0, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.save(); err != nil {
		t.Fatal(err)
	}
	m.sums(func(*tally.Tally) {})
	if m.dirty {
		t.Error("sums that were read are to be written again")
	}
	m.count(1, func(*tally.Tally) {})
	if !m.dirty {
		t.Error("sums that were changed are not to be written")
	}
}
