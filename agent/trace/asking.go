package trace

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"mft.dev/mft"
	"mft.dev/mft/agent/inquiry/question"
	"mft.dev/mft/agent/localapi/opaque"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/tracing"
)

const (
	// askedAbout is about how many hops others are asked, the newest, and askedAtOnce how
	// many at a time.
	askedAbout, askedAtOnce = 8, 4
	// answerWithin is how long all that takes at most.
	answerWithin = 10 * time.Second
)

// askAll asks the other ends of the newest hops.
func (t *Tracer) askAll(ctx context.Context, r *Report) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	first := max(0, len(r.Hops)-askedAbout)
	if first > 0 {
		r.note(fmt.Sprintf("other agents were asked about the newest %d transfers", askedAbout))
	}
	asked := r.Hops[first:]
	answers := make([]*tracing.Answer, len(asked))
	var g errgroup.Group
	g.SetLimit(askedAtOnce)
	for i := range asked {
		g.Go(func() error {
			q := tracing.Question{Item: asked[i].item, Records: tracing.MaxRecords, Depth: tracing.MaxDepth}
			var err error
			if answers[i], err = t.ask(ctx, &asked[i], q); err != nil {
				asked[i].Problem = &Problem{mft.CodeOf(err), err.Error()}
			}
			return nil
		})
	}
	_ = g.Wait() // no error: see above
	// What went on after a newer transfer also went on after an older one to the same
	// place; the newer is the likelier.
	type said struct {
		by mft.AgentName
		of mft.TransferID
	}
	seen := map[said]bool{}
	for _, h := range r.Hops {
		seen[said{t.Self, h.Transfer}] = true
	}
	for i := len(asked) - 1; i >= 0; i-- {
		if answers[i] == nil {
			continue
		}
		for _, rec := range answers[i].Records {
			if key := (said{rec.By, rec.Transfer}); !seen[key] {
				seen[key] = true
				asked[i].Beyond = append(asked[i].Beyond, hopOf(&rec))
			}
		}
		for _, n := range answers[i].Notes {
			r.note(string(n.By) + ": " + n.Text)
		}
	}
}

// ask asks the other end of a hop. How long that may take is what is left of ctx, but for
// some of it to tell of an answer that does not come.
func (t *Tracer) ask(ctx context.Context, h *Hop, q tracing.Question) (*tracing.Answer, error) {
	const op = "ask for a trace"
	if end, ok := ctx.Deadline(); ok {
		q.Wait = time.Until(end) * 4 / 5
	}
	conv, err := t.Open(ctx, h.Peer, h.Transfer)
	if err != nil {
		return nil, err
	}
	defer conv.Close()
	e, err := question.Question{
		Op: op, To: h.Peer, Kind: protocol.KindTrace, Body: tracing.Append(nil, &q), Version: protocol.VersionTraces, Needs: "traces need",
	}.Ask(ctx, conv)
	if err != nil {
		return nil, err
	}
	a, err := tracing.ParseAnswer(e.Body)
	if err != nil {
		return nil, err
	}
	if r := &a.Records[0]; r.By != h.Peer || r.Transfer != h.Transfer || r.Peer != t.Self || r.Role == h.Role {
		return nil, mft.Fail(mft.CodeProtocol, op, string(h.Peer), errors.New("its answer is about another transfer"))
	}
	if len(a.Records) > q.Records {
		return nil, mft.Fail(mft.CodeProtocol, op, string(h.Peer), errors.New("it answers more than it was asked"))
	}
	return a, nil
}

// hopOf is the hop that a record tells of.
func hopOf(r *tracing.Record) Hop {
	h := Hop{
		By: r.By, Transfer: r.Transfer, Role: r.Role, Peer: r.Peer, Channel: r.Channel, State: r.State, Code: codeOf(r.Reason), Detail: opaque.String(r.Reason.Detail),
		File: opaque.String(r.File), There: opaque.String(r.There), Proof: r.Proof, Steps: []Step{},
	}
	for _, s := range r.Steps {
		h.Steps = append(h.Steps, Step{s.Time, s.Kind, codeOf(s.Reason), opaque.String(s.Reason.Detail)})
	}
	for _, x := range r.Exits {
		h.Exits = append(h.Exits, Exit{x.Phase, x.Command, x.Ended, x.Status, codeOf(x.Reason), x.Reason.Detail, x.At})
	}
	if got := r.Receipt; got != nil {
		h.Receipt = &Receipt{
			Signer: r.Peer, Signed: got.Signed, Code: got.Code, Items: got.Received.Items, Bytes: got.Received.Bytes, Unchanged: got.Unchanged.Items,
			Failed: got.Failed, Verified: got.Verified,
		}
		if r.Role == mft.RoleReceive {
			h.Receipt.Signer = r.By
		}
	}
	return h
}

// codeOf is the code of a reason, empty where nothing is wrong: hops leave it out.
func codeOf(r mft.Reason) mft.Code {
	if r.Code.OK() {
		return ""
	}
	return r.Code
}
