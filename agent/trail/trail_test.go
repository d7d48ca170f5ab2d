package trail

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) (*Trail, *journal.Journal) {
	t.Helper()
	j, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return New(j, slog.New(slog.DiscardHandler), time.Now), j
}

func create(t *testing.T, tr *Trail, j *journal.Journal, id mft.TransferID, kind mft.EventKind) {
	t.Helper()
	row := mft.Transfer{ID: id, Role: mft.RoleSend, Peer: "b", State: mft.StatePlanned, Overwrite: mft.OverwriteReplace, Created: time.Now(), Updated: time.Now()}
	if err := j.Update(t.Context(), func(tx *journal.Tx) error { return tr.Create(tx, row, kind, "why") }); err != nil {
		t.Fatal(err)
	}
}

func story(t *testing.T, j *journal.Journal, id mft.TransferID) string {
	t.Helper()
	events, err := j.TransferEvents(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range events {
		if e.Peer != "b" || e.Time.IsZero() {
			t.Errorf("event %+v names neither peer nor time", e)
		}
		out = append(out, string(e.Kind))
	}
	return strings.Join(out, " ")
}

func TestCreate(t *testing.T) {
	tr, j := open(t)
	for id, tt := range map[mft.TransferID]struct {
		kind mft.EventKind
		want string
	}{{1}: {mft.EventPlanned, "planned"}, {2}: {mft.EventRequested, "requested planned"}} {
		create(t, tr, j, id, tt.kind)
		if got := story(t, j, id); got != tt.want {
			t.Errorf("events = %s, want %s", got, tt.want)
		}
		if row, ok, err := j.Transfer(t.Context(), id); err != nil || !ok || row.State != mft.StateQueued {
			t.Errorf("row = %+v, %v, want queued", row, err)
		}
	}
}

func TestNotesKeepTheirOrder(t *testing.T) {
	tr, j := open(t)
	id := mft.TransferID{1}
	create(t, tr, j, id, mft.EventPlanned)
	note := tr.NoteOf(id)
	note(mft.EventMoving, "", "")
	note(mft.EventVerified, "", "")
	if got, want := story(t, j, id), "planned"; got != want {
		t.Errorf("events before a write = %s, want %s", got, want)
	}
	err := tr.Write(t.Context(), id, func(tx *journal.Tx) error {
		return tr.SetState(tx, id, mft.StateFailed, mft.Reason{Code: mft.CodeIO})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := story(t, j, id), "planned moving verified failed"; got != want {
		t.Errorf("events = %s, want %s", got, want)
	}
	// A note that comes too late is dropped without harm.
	tr.Note(id, func(tx *journal.Tx) error { return tx.SetState(id, mft.StateVerifying, mft.Reason{}, time.Now()) })
	tr.Flush()
	if row, _, err := j.Transfer(t.Context(), id); err != nil || row.State != mft.StateFailed {
		t.Errorf("state = %s, %v, want failed", row.State, err)
	}
}

func TestRunFlushes(t *testing.T) {
	tr, j := open(t)
	id := mft.TransferID{1}
	create(t, tr, j, id, mft.EventPlanned)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { tr.Run(ctx); close(ended) }()
	stats, err := j.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tr.NoteOf(id)(mft.EventMoving, "", "")
	if err := j.Wait(t.Context(), stats.Newest); err != nil {
		t.Fatal(err)
	}
	if got, want := story(t, j, id), "planned moving"; got != want {
		t.Errorf("events = %s, want %s", got, want)
	}
	cancel()
	<-ended
}

func TestItemsAreBounded(t *testing.T) {
	tr, j := open(t)
	id := mft.TransferID{1}
	create(t, tr, j, id, mft.EventPlanned)
	note := tr.NoteOf(id)
	for range maxItemEvents * 3 {
		note(mft.EventItem, mft.CodeExists, "x")
	}
	note(mft.EventVerified, "", "")
	tr.Flush()
	events, err := j.TransferEvents(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(events), 1+maxItemEvents+1+1; got != want {
		t.Errorf("%d events, want %d", got, want)
	}
}

func TestClose(t *testing.T) {
	tr, j := open(t)
	for i, tt := range []struct {
		code  mft.Code
		want  mft.State
		story string
	}{
		{mft.CodeOK, mft.StateDone, "planned delivered done"},
		{mft.CodePartial, mft.StateFailed, "planned delivered failed"},
		{mft.CodeExists, mft.StateFailed, "planned delivered failed"},
	} {
		id := mft.TransferID{byte(i + 1)}
		create(t, tr, j, id, mft.EventPlanned)
		err := tr.Write(t.Context(), id, func(tx *journal.Tx) error {
			if err := tx.SetState(id, mft.StateRunning, mft.Reason{}, time.Now()); err != nil {
				return err
			}
			if err := tr.SetState(tx, id, mft.StateDelivered, mft.Reason{}); err != nil {
				return err
			}
			return tr.Close(tx, id, mft.Receipt{Code: tt.code, Detail: "why"})
		})
		if err != nil {
			t.Fatal(err)
		}
		row, _, err := j.Transfer(t.Context(), id)
		if err != nil || row.State != tt.want || (!tt.code.OK() && row.Reason.Code != tt.code) {
			t.Errorf("after a receipt of %s: %s (%+v), %v, want %s", tt.code, row.State, row.Reason, err, tt.want)
		}
		if got := story(t, j, id); got != tt.story {
			t.Errorf("events = %s, want %s", got, tt.story)
		}
	}
}

func TestEveryStateThatAPersonMeetsIsTold(t *testing.T) {
	silent := map[mft.State]bool{mft.StatePlanned: true, mft.StateQueued: true, mft.StateRunning: true, mft.StateVerifying: true}
	for _, s := range mft.States() {
		if _, told := eventOf(s); told == silent[s] {
			t.Errorf("state %s is told of: %v", s, told)
		}
	}
}

// scripted is a conversation whose peer accepts.
type scripted struct {
	transfer.Conversation
	sent []protocol.Kind
	fail error
}

func (c *scripted) Send(_ context.Context, kind protocol.Kind, _ []byte) error {
	c.sent = append(c.sent, kind)
	return c.fail
}

func (c *scripted) Receive(context.Context) (*protocol.Envelope, error) {
	return &protocol.Envelope{Kind: protocol.KindDecision, Body: protocol.AppendDecision(nil, &mft.Decision{Code: mft.CodeOK})}, c.fail
}

func TestConversation(t *testing.T) {
	for _, tt := range []struct {
		name  string
		quiet bool
		fail  error
		want  string
		state mft.State
	}{
		{"accepted", false, nil, "planned offered accepted", mft.StateVerifying},
		{"accepted after waiting", true, nil, "planned", mft.StateVerifying},
		{"broken", false, errors.New("broken"), "planned offered", mft.StateRunning},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr, j := open(t)
			id := mft.TransferID{1}
			create(t, tr, j, id, mft.EventPlanned)
			inner := &scripted{fail: tt.fail}
			c := &Conversation{Conversation: inner, Trail: tr, ID: id, Quiet: tt.quiet}
			if err := c.Send(t.Context(), protocol.KindOffer, nil); err != tt.fail {
				t.Errorf("Send = %v, want %v", err, tt.fail)
			}
			if _, err := c.Receive(t.Context()); err != tt.fail {
				t.Errorf("Receive = %v, want %v", err, tt.fail)
			}
			if err := c.Send(t.Context(), protocol.KindSeal, nil); err != tt.fail {
				t.Errorf("Send = %v, want %v", err, tt.fail)
			}
			tr.Flush()
			row, _, err := j.Transfer(t.Context(), id)
			if err != nil || row.State != tt.state || row.Attempts != 1 {
				t.Errorf("row = %+v, %v, want one attempt, %s", row, err, tt.state)
			}
			if got := story(t, j, id); got != tt.want {
				t.Errorf("events = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestOfferIsNotSentWhenItCannotBeWritten(t *testing.T) {
	tr, j := open(t)
	inner := &scripted{}
	c := &Conversation{Conversation: inner, Trail: tr, ID: mft.TransferID{9}}
	if err := c.Send(t.Context(), protocol.KindOffer, nil); err == nil || len(inner.sent) != 0 {
		t.Errorf("Send for a transfer that is not there = %v, sent %v, want an error and nothing sent", err, inner.sent)
	}
	_ = j
}
