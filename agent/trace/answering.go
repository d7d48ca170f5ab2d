package trace

import (
	"context"
	"errors"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/tracing"
)

// answeredAtOnce is how many questions of peers are answered at a time.
const answeredAtOnce = 8

// Answer answers the question that opened a conversation. A peer is told how a transfer
// between the two went. Where its file came from or went to, what the file is called on
// this host and what commands ran and said is for those whom Allow names; for them the
// agents at the other hops are asked, one after the other. Errors: mft.CodeBusy,
// mft.CodeNotFound, those of tracing.Parse and of the journal; the peer has not been told
// of them.
func (t *Tracer) Answer(ctx context.Context, conv Conversation, e *protocol.Envelope) error {
	defer t.busy.Add(-1)
	if t.busy.Add(1) > answeredAtOnce {
		return mft.Fail(mft.CodeBusy, "trace transfer", e.Transfer.String(), errors.New("too many traces are asked for at once: try again"))
	}
	q, err := tracing.Parse(e.Body)
	if err != nil {
		return err
	}
	row, ok, err := t.Journal.Transfer(ctx, e.Transfer)
	if err != nil {
		return err
	}
	if !ok || row.Peer != e.Sender {
		return mft.Fail(mft.CodeNotFound, "trace transfer", e.Transfer.String(), errors.New("this agent has no such transfer with the one that asks; it may have been long ago"))
	}
	a := &tracing.Answer{}
	if err := t.tell(ctx, a, row, &q); err != nil {
		return err
	}
	return conv.Send(ctx, protocol.KindTraced, tracing.AppendAnswer(nil, a))
}

// tell puts what is known of a transfer, and may be told, into an answer to its other end.
func (t *Tracer) tell(ctx context.Context, a *tracing.Answer, row mft.Transfer, q *tracing.Question) error {
	file, err := t.place(ctx, row, q.Item)
	if err != nil {
		return err
	}
	r := Report{}
	r.add(row, file, place{}, "the journal of that host")
	if err := t.complete(ctx, &r.Hops[0]); err != nil {
		return err
	}
	all := t.Allow.Traces(row.Peer)
	a.Add(recordOf(&r.Hops[0], all))
	switch {
	case !all:
		a.Note(t.Self, "tells "+string(row.Peer)+" of their own transfers only: allow.traces_from of its configuration has to name it for more")
		return nil
	case file == "":
		return nil
	}
	within, cancel := context.WithTimeout(ctx, q.Wait)
	defer cancel()
	err = t.tellBeyond(within, a, row, file, q)
	if within.Err() != nil && ctx.Err() == nil {
		a.Note(t.Self, "there was no time to look for more")
		return nil
	}
	return err
}

// tellBeyond adds the hops of a file before or after a transfer, and what is known of them
// at their other ends.
func (t *Tracer) tellBeyond(ctx context.Context, a *tracing.Answer, row mft.Transfer, file string, q *tracing.Question) error {
	var r Report
	var err error
	if row.Role == mft.RoleReceive {
		err = t.sentPath(ctx, &r, file)
	} else {
		err = t.receivedPath(ctx, &r, file)
	}
	if err != nil {
		return err
	}
	r.Hops = slices.DeleteFunc(r.Hops, func(h Hop) bool {
		return h.Transfer == row.ID || row.Role == mft.RoleReceive && h.created.Before(row.Created) || row.Role == mft.RoleSend && h.created.After(row.Created)
	})
	slices.SortStableFunc(r.Hops, func(x, y Hop) int { return x.created.Compare(y.created) })
	for _, text := range r.Notes {
		a.Note(t.Self, text)
	}
	for i := range r.Hops {
		h := &r.Hops[i]
		if err := t.complete(ctx, h); err != nil {
			return err
		}
		if len(a.Records) >= q.Records || !a.Add(recordOf(h, true)) {
			a.Note(t.Self, "there is more than an answer has room for")
			return nil
		}
		if left := q.Records - len(a.Records); q.Depth > 0 && left > 0 && i >= len(r.Hops)-askedAbout {
			t.repeat(ctx, a, h, tracing.Question{Item: h.item, Records: left, Depth: q.Depth - 1})
		}
	}
	return nil
}

// repeat adds what the other end of a hop says.
func (t *Tracer) repeat(ctx context.Context, a *tracing.Answer, h *Hop, q tracing.Question) {
	got, err := t.ask(ctx, h, q)
	if err != nil {
		a.Note(t.Self, "asked "+string(h.Peer)+": "+err.Error())
		return
	}
	for _, r := range got.Records {
		if !a.Add(r) {
			a.Note(t.Self, "there is more than an answer has room for")
			return
		}
	}
	for _, n := range got.Notes {
		a.Note(n.By, n.Text)
	}
}

// place is the path here of an item of a transfer, "" where that cannot be told.
func (t *Tracer) place(ctx context.Context, row mft.Transfer, item string) (string, error) {
	if row.Role == mft.RoleSend {
		return t.source(row, item), nil
	}
	l, ok, err := t.Journal.Landing(ctx, row.ID)
	if err != nil || !ok {
		return "", err
	}
	return landing(&l, item), nil
}

func landing(l *journal.Landing, item string) string {
	if l.Name != "" {
		item = l.Name
	}
	if item == "" {
		return ""
	}
	return filepath.Join(l.Root, filepath.FromSlash(l.Dir), filepath.FromSlash(item))
}

// source is the path of an item that was sent.
func (t *Tracer) source(row mft.Transfer, item string) string {
	if root := t.root(row.Channel); root != "" && item != "" {
		if p := filepath.Join(root, filepath.FromSlash(item)); slices.Contains(row.Sources, p) {
			return p
		}
	}
	for _, s := range row.Sources {
		base, rest, deeper := strings.Cut(item, "/")
		switch {
		case item == "" && (len(row.Sources) > 1 || strings.HasSuffix(s, "/")):
		case item == "" || !strings.HasSuffix(s, "/") && !deeper && base == path.Base(filepath.ToSlash(s)):
			return filepath.Clean(s)
		case strings.HasSuffix(s, "/"):
			return filepath.Join(s, filepath.FromSlash(item))
		case base == path.Base(filepath.ToSlash(s)):
			return filepath.Join(s, filepath.FromSlash(rest))
		}
	}
	return ""
}

// recordOf is what is told of a hop: all of it, or what the other end of it knows anyway.
func recordOf(h *Hop, all bool) tracing.Record {
	kept := func(s string) string {
		if all {
			return s
		}
		return ""
	}
	r := tracing.Record{
		By: h.By, Transfer: h.Transfer, Role: h.Role, Peer: h.Peer, Channel: h.Channel, State: h.State,
		Reason: mft.Reason{Code: h.Code, Detail: kept(string(h.Detail))}, File: kept(string(h.File)), There: kept(string(h.There)), Proof: h.Proof,
	}
	for _, s := range h.Steps {
		r.Steps = append(r.Steps, tracing.Step{Time: s.Time, Kind: s.Kind, Reason: mft.Reason{Code: s.Code, Detail: kept(string(s.Detail))}})
	}
	for _, x := range h.Exits {
		r.Exits = append(r.Exits, tracing.Exit{
			Phase: x.Phase, Command: kept(x.Command), Ended: x.Ended, Status: x.Status, Reason: mft.Reason{Code: x.Code, Detail: kept(x.Detail)}, At: x.At,
		})
	}
	if got := h.Receipt; got != nil {
		r.Receipt = &tracing.Receipt{
			Signed: got.Signed, Code: got.Code, Received: mft.Count{Items: got.Items, Bytes: got.Bytes}, Unchanged: mft.Count{Items: got.Unchanged},
			Failed: got.Failed, Verified: got.Verified,
		}
	}
	return r
}
