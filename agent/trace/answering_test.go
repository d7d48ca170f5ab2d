package trace

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/tracing"
)

// A call is a conversation with a tracer, or with whatever answer does.
type call struct {
	from, to mft.AgentName
	id       mft.TransferID
	speaks   uint8
	answer   func(ctx context.Context, e *protocol.Envelope) (*protocol.Envelope, error)
	question *protocol.Envelope
}

func (c *call) Speaks() uint8 { return c.speaks }
func (c *call) Close()        {}

func (c *call) Send(_ context.Context, kind protocol.Kind, body []byte) error {
	c.question = &protocol.Envelope{Kind: kind, Transfer: c.id, Sender: c.from, Recipient: c.to, Body: body}
	return nil
}

func (c *call) Receive(ctx context.Context) (*protocol.Envelope, error) {
	return c.answer(ctx, c.question)
}

// A sink keeps what is answered.
type sink struct {
	call
	kind protocol.Kind
	body []byte
}

func (s *sink) Send(_ context.Context, kind protocol.Kind, body []byte) error {
	s.kind, s.body = kind, body
	return nil
}

// connected makes tracers reach each other, and counts the questions.
func connected(list ...*Tracer) *atomic.Int32 {
	questions := &atomic.Int32{}
	for _, t := range list {
		t.Open = func(_ context.Context, peer mft.AgentName, id mft.TransferID) (Conversation, error) {
			for _, to := range list {
				if to.Self == peer {
					return &call{from: t.Self, to: peer, id: id, speaks: protocol.VersionTraces, answer: func(ctx context.Context, e *protocol.Envelope) (*protocol.Envelope, error) {
						questions.Add(1)
						s := &sink{}
						if err := to.Answer(ctx, s, e); err != nil {
							return nil, err
						}
						return &protocol.Envelope{Kind: s.kind, Body: s.body}, nil
					}}, nil
				}
			}
			return nil, mft.Fail(mft.CodeUnreachable, "connect to", string(peer), nil)
		}
	}
	return questions
}

// node is the tracer of one host.
func node(t *testing.T, name mft.AgentName, traces ...mft.AgentName) (*Tracer, *journal.Journal) {
	tr, j := open(t)
	tr.Self, tr.Allow = name, mft.AllowList{TracesFrom: traces}
	return tr, j
}

// TestRing: a file that two hosts send each other again and again is traced to an end.
func TestRing(t *testing.T) {
	a, ja := node(t, "a", "b")
	b, jb := node(t, "b", "a")
	questions := connected(a, b)
	const file = "/srv/x"
	for i := range 100 {
		row := mft.Transfer{ID: mft.TransferID{1, byte(i + 1)}, State: mft.StateDone, Created: time.Unix(int64(i), 0), Destination: file}
		from, to := ja, jb
		if i%2 == 1 {
			from, to = jb, ja
		}
		send, receive := row, row
		send.Role, send.Peer, send.Sources = mft.RoleSend, [...]mft.AgentName{"b", "a"}[i%2], []string{file}
		receive.Role, receive.Peer = mft.RoleReceive, [...]mft.AgentName{"a", "b"}[i%2]
		write(t, from, func(tx *journal.Tx) error { return tx.Create(send) })
		write(t, to, func(tx *journal.Tx) error {
			return errors.Join(tx.Create(receive), tx.SetLanding(row.ID, journal.Landing{Root: "/srv", Name: "x"}))
		})
	}
	r, err := a.Find(t.Context(), file, true)
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, h := range r.Hops {
		told += len(h.Beyond)
		if h.Problem != nil {
			t.Errorf("%s of %s: %+v", h.Role, h.Peer, h.Problem)
		}
	}
	if n := int(questions.Load()); n == 0 || n > askedAbout*tracing.MaxRecords || told == 0 {
		t.Errorf("%d questions were asked, and %d hops told", n, told)
	}
}

// TestAnswerRefuses: nobody is told of what is not theirs.
func TestAnswerRefuses(t *testing.T) {
	tr, j := node(t, "b", "mallory")
	id := mft.TransferID{1}
	write(t, j, func(tx *journal.Tx) error {
		return errors.Join(tx.Create(mft.Transfer{ID: id, Role: mft.RoleReceive, Peer: "a", State: mft.StateDone, Destination: "/srv/x"}), tx.SetLanding(id, journal.Landing{Root: "/srv", Name: "x"}))
	})
	ask := func(from mft.AgentName, id mft.TransferID, body []byte) (*sink, error) {
		s := &sink{}
		return s, tr.Answer(t.Context(), s, &protocol.Envelope{Kind: protocol.KindTrace, Transfer: id, Sender: from, Recipient: "b", Body: body})
	}
	q := tracing.Append(nil, &tracing.Question{Item: "x", Records: 9, Depth: 9, Wait: time.Second})
	_, others := ask("mallory", id, q)
	_, none := ask("mallory", mft.TransferID{2}, q)
	if mft.CodeOf(others) != mft.CodeNotFound || strings.ReplaceAll(others.Error(), id.String(), mft.TransferID{2}.String()) != none.Error() {
		t.Errorf("of another's transfer: %v; of none: %v; they must not be told apart", others, none)
	}
	if _, err := ask("a", id, []byte{1}); mft.CodeOf(err) != mft.CodeProtocol {
		t.Errorf("half a question: %v", err)
	}
	s, err := ask("a", id, q)
	if err != nil || s.kind != protocol.KindTraced {
		t.Fatalf("%v, %v", s.kind, err)
	}
	got, err := tracing.ParseAnswer(s.body)
	if err != nil || len(got.Records) != 1 || got.Records[0].File != "" || len(got.Notes) != 1 {
		t.Errorf("the other end is told %+v, %v", got, err)
	}
	tr.busy.Store(answeredAtOnce)
	if _, err := ask("a", id, q); mft.CodeOf(err) != mft.CodeBusy || tr.busy.Load() != answeredAtOnce {
		t.Errorf("one too many: %v", err)
	}
}

// TestAskRefuses: what does not answer the question is not told.
func TestAskRefuses(t *testing.T) {
	id := mft.TransferID{1}
	good := tracing.Record{By: "b", Transfer: id, Role: mft.RoleReceive, Peer: "a", State: mft.StateDone}
	for name, tt := range map[string]struct {
		change func(r *tracing.Record)
		speaks uint8
		kind   protocol.Kind
		code   mft.Code
	}{
		"a good one":            {nil, protocol.VersionTraces, protocol.KindTraced, mft.CodeOK},
		"an older version":      {nil, protocol.VersionTraces - 1, protocol.KindTraced, mft.CodeVersion},
		"of another agent":      {func(r *tracing.Record) { r.By = "c" }, protocol.VersionTraces, protocol.KindTraced, mft.CodeProtocol},
		"of another transfer":   {func(r *tracing.Record) { r.Transfer[3]++ }, protocol.VersionTraces, protocol.KindTraced, mft.CodeProtocol},
		"with another":          {func(r *tracing.Record) { r.Peer = "c" }, protocol.VersionTraces, protocol.KindTraced, mft.CodeProtocol},
		"of the same end":       {func(r *tracing.Record) { r.Role = mft.RoleSend }, protocol.VersionTraces, protocol.KindTraced, mft.CodeProtocol},
		"it is not found there": {nil, protocol.VersionTraces, protocol.KindDecision, mft.CodeNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			tr, j := node(t, "a")
			write(t, j, func(tx *journal.Tx) error {
				return tx.Create(mft.Transfer{ID: id, Role: mft.RoleSend, Peer: "b", State: mft.StateDone, Sources: []string{"/srv/x"}, Destination: "/srv/in/"})
			})
			tr.Open = func(context.Context, mft.AgentName, mft.TransferID) (Conversation, error) {
				return &call{from: "a", to: "b", id: id, speaks: tt.speaks, answer: func(context.Context, *protocol.Envelope) (*protocol.Envelope, error) {
					if tt.kind == protocol.KindDecision {
						return &protocol.Envelope{Kind: tt.kind, Body: protocol.AppendDecision(nil, &mft.Decision{Code: mft.CodeNotFound, Detail: "long ago"})}, nil
					}
					a, r := &tracing.Answer{}, good
					if tt.change != nil {
						tt.change(&r)
					}
					a.Add(r)
					return &protocol.Envelope{Kind: tt.kind, Body: tracing.AppendAnswer(nil, a)}, nil
				}}, nil
			}
			r, err := tr.Find(t.Context(), "/srv/x", true)
			if err != nil || len(r.Hops) != 1 {
				t.Fatal(r, err)
			}
			h := r.Hops[0]
			if tt.code == mft.CodeOK && (h.Problem != nil || len(h.Beyond) != 1) || tt.code != mft.CodeOK && (h.Problem == nil || h.Problem.Code != tt.code || h.Beyond != nil) {
				t.Errorf("%+v, %+v; want %s", h.Problem, h.Beyond, tt.code)
			}
		})
	}
}

// TestSource: an item of a transfer is found at its source again.
func TestSource(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	tr, _ := node(t, "a")
	tr.Channels = channels(mft.Channel{Name: "nightly", From: mft.Endpoint{Path: dir}})
	for i, tt := range []struct {
		channel string
		sources []string
		item    string
		want    string
	}{
		{"nightly", []string{in("sub/a"), in("b")}, "sub/a", in("sub/a")},
		{"nightly", []string{in("b")}, "sub/a", ""},
		{"nightly", []string{dir + "/"}, "sub/a", in("sub/a")},
		{"", []string{in("a"), in("b")}, "b", in("b")},
		{"", []string{in("a"), in("d")}, "d/x/y", in("d/x/y")},
		{"", []string{in("d") + "/"}, "x/y", in("d/x/y")},
		{"", []string{in("a")}, "", in("a")},
		{"", []string{in("a"), in("b")}, "", ""},
		{"", []string{in("d") + "/"}, "", ""},
		{"", []string{in("a")}, "c", ""},
	} {
		got := tr.source(mft.Transfer{Channel: tt.channel, Sources: tt.sources}, tt.item)
		if got != tt.want {
			t.Errorf("%d: source(%q, %q) = %q, want %q", i, tt.sources, tt.item, got, tt.want)
		}
	}
}
