// Package trace tells where a file is: which transfers sent it or brought it, what the
// other end has signed for, and what ran because of it, on this host and on those that
// the file went through.
//
//	report, err := t.Find(ctx, "/srv/out/report.csv", true)
//
// It refuses to guess: that a transfer sent the directory of a file, or brought another
// version of it, is told apart from that it had the file. Another agent is asked about
// transfers that it has with this one; what it tells of others, and which of their names
// it tells, is decided there: see [Tracer.Answer].
package trace

import (
	"context"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/inquiry/question"
	"mft.dev/mft/agent/localapi/opaque"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
)

// A Tracer looks through the journal of one host. Every exported field must be set. Its
// methods may be called concurrently.
type Tracer struct {
	Self    mft.AgentName
	Journal *journal.Journal
	// Verify returns nil if a message was signed by the agent that it names, with a key
	// that was valid at a time.
	Verify func(e *protocol.Envelope, at time.Time) error
	// Channels returns those of this host, for where their files are.
	Channels func() []mft.Channel
	// Open opens a conversation with a peer on the link, and dials if there is none.
	Open func(ctx context.Context, peer mft.AgentName, id mft.TransferID) (Conversation, error)
	// Allow says who may be told more than what became of its own transfers.
	Allow mft.AllowList

	busy atomic.Int32 // questions that are being answered
}

// A Conversation is one with a peer; *link.Conversation is one.
type Conversation = question.Conversation

const (
	// hopsShown is how many hops are told of at most, the newest.
	hopsShown = 50
	// looked is how many of the newest transfers are looked at one by one.
	looked = 1000
)

// A Report is what is known of a file, or of a transfer.
type Report struct {
	What opaque.String `json:"what"`
	Hops []Hop         `json:"hops"` // oldest first
	// Notes are what else has to be known to read it.
	Notes []string `json:"notes"`
}

// A Hop is one transfer that has to do with a file, as one of its ends knows it.
type Hop struct {
	By       mft.AgentName  `json:"by"` // that end
	Transfer mft.TransferID `json:"transfer"`
	Role     mft.Role       `json:"role"`
	Peer     mft.AgentName  `json:"peer"`
	Channel  string         `json:"channel,omitempty"`
	Run      string         `json:"run,omitempty"`
	State    mft.State      `json:"state"`
	Code     mft.Code       `json:"code,omitempty"` // why it is in that state
	Detail   opaque.String  `json:"detail,omitempty"`
	// File is the file on that host, and There its final name at the receiving end if that
	// is the other one; empty where the hop is about a whole transfer, and what By keeps to
	// itself.
	File  opaque.String `json:"file,omitempty"`
	There opaque.String `json:"there,omitempty"`
	// Proof says how it is known that the transfer had the file.
	Proof string `json:"proof"`
	// Steps are what happened to it there, oldest first.
	Steps   []Step   `json:"steps"`
	Receipt *Receipt `json:"receipt,omitempty"`
	Exits   []Exit   `json:"exits,omitempty"`
	// Beyond is what Peer has told: first of this transfer, then of others that had the
	// file, with what it was told of them.
	Beyond []Hop `json:"beyond,omitempty"`
	// Problem is why Peer has told nothing.
	Problem *Problem `json:"problem,omitempty"`

	created time.Time
	item    string // of the transfer; "" where that is not known
}

// A Problem is why an agent has told nothing.
type Problem struct {
	Code    mft.Code `json:"code"`
	Message string   `json:"message"`
}

// A Step is an event of a transfer, or of the file in it.
type Step struct {
	Time   time.Time     `json:"time"`
	Kind   mft.EventKind `json:"kind"`
	Code   mft.Code      `json:"code,omitempty"`
	Detail opaque.String `json:"detail,omitempty"`
}

// A Receipt is what the receiver has signed, for the whole transfer.
type Receipt struct {
	Signer    mft.AgentName `json:"signer"`
	Signed    time.Time     `json:"signed,omitzero"`
	Code      mft.Code      `json:"code"`
	Items     int64         `json:"items"`
	Bytes     int64         `json:"bytes"`
	Unchanged int64         `json:"unchanged"` // items that were there before
	Failed    int64         `json:"failed"`
	// Verified says that the signature fits, by the word of Hop.By; Problem why not.
	Verified bool   `json:"verified"`
	Problem  string `json:"problem,omitempty"`
}

// An Exit is a command that ran because of a transfer or a file.
type Exit struct {
	Phase   mft.ExitPhase `json:"phase"`
	Command string        `json:"command"`
	Ended   bool          `json:"ended"`
	Status  int           `json:"status"`
	Code    mft.Code      `json:"code,omitempty"`
	Detail  string        `json:"detail,omitempty"`
	At      time.Time     `json:"at"`
}

// Find tells of a transfer by its id, of a file by its absolute path on this host, or of
// files by their name; with ask, also what the other agents say that are reached within a
// moment. That nothing is known, or somebody cannot be asked, is no error.
func (t *Tracer) Find(ctx context.Context, what string, ask bool) (Report, error) {
	r := Report{What: opaque.String(what), Hops: []Hop{}, Notes: []string{}}
	var err error
	switch id, no := mft.ParseTransferID(what); {
	case no == nil:
		err = t.transfer(ctx, &r, id)
	case filepath.IsAbs(what):
		what = filepath.Clean(what)
		if err = t.sentPath(ctx, &r, what); err == nil {
			err = t.receivedPath(ctx, &r, what)
		}
	default:
		if err = t.sentName(ctx, &r, what); err == nil {
			err = t.receivedName(ctx, &r, what)
		}
	}
	slices.SortStableFunc(r.Hops, func(a, b Hop) int { return a.created.Compare(b.created) })
	if more := len(r.Hops) - hopsShown; more > 0 {
		r.Hops = r.Hops[more:]
		r.note("only the newest hops are shown")
	}
	for i := range r.Hops {
		if err == nil {
			err = t.complete(ctx, &r.Hops[i])
		}
	}
	if err == nil && ask {
		t.askAll(ctx, &r)
	}
	return r, err
}

func (r *Report) note(text string) {
	if !slices.Contains(r.Notes, text) {
		r.Notes = append(r.Notes, text)
	}
}

func (t *Tracer) transfer(ctx context.Context, r *Report, id mft.TransferID) error {
	row, ok, err := t.Journal.Transfer(ctx, id)
	if err != nil || !ok {
		return err
	}
	r.add(row, "", place{}, "the journal of this host")
	return nil
}

// add adds a hop.
func (r *Report) add(row mft.Transfer, file string, at place, proof string) {
	h := Hop{
		Transfer: row.ID, Role: row.Role, Peer: row.Peer, Channel: row.Channel, Run: row.Run, State: row.State, Code: row.Reason.Code,
		Detail: opaque.String(row.Reason.Detail), File: opaque.String(file), There: opaque.String(at.there), Proof: proof, created: row.Created, item: at.item,
	}
	r.Hops = append(r.Hops, h)
}

// A place is where a file is at the other end, as far as it is known.
type place struct {
	there string // its final name, of one that was sent
	item  string // its name in the transfer
}

// complete adds to a hop what the journal has besides.
func (t *Tracer) complete(ctx context.Context, h *Hop) error {
	events, err := t.Journal.Milestones(ctx, h.Transfer)
	if err != nil {
		return err
	}
	h.By, h.Steps = t.Self, []Step{}
	for _, e := range events {
		if rel, one := fileOf(&e); one && !t.about(h, rel) {
			continue
		}
		if e.Kind != mft.EventExitBegun && e.Kind != mft.EventExitEnded {
			h.Steps = append(h.Steps, Step{Time: e.Time, Kind: e.Kind, Code: e.Code, Detail: opaque.String(e.Detail)})
		}
	}
	exits, err := t.Journal.Exits(ctx, h.Transfer)
	if err != nil {
		return err
	}
	for _, x := range exits {
		if h.File != "" && x.Path == string(h.File) && x.Phase == mft.ExitPost {
			h.Proof = "a command ran because the transfer delivered this file"
		}
		if h.File == "" || x.Path == string(h.File) || strings.HasPrefix(string(h.File), strings.TrimSuffix(x.Path, "/")+"/") {
			h.Exits = append(h.Exits, Exit{x.Phase, x.Command, x.Ended, x.Status, x.Code, x.Detail, x.At})
		}
	}
	return t.receipt(ctx, h)
}

// fileOf returns the path below the source of the file that an event is about, if it is about
// one.
func fileOf(e *mft.Event) (rel string, one bool) {
	switch e.Kind {
	case mft.EventDetected, mft.EventStable:
		return e.Detail, true
	case mft.EventSourceRemoved, mft.EventSourceArchived, mft.EventSourceLeft:
		quoted, err := strconv.QuotedPrefix(e.Detail)
		if err == nil {
			rel, err = strconv.Unquote(quoted)
		}
		return rel, err == nil
	}
	return "", false
}

// about reports whether a path below the source of the hop's channel is its file.
func (t *Tracer) about(h *Hop, rel string) bool {
	return h.File == "" || strings.HasSuffix(filepath.ToSlash(string(h.File)), "/"+rel)
}

func (t *Tracer) receipt(ctx context.Context, h *Hop) error {
	got, envelope, ok, err := t.Journal.Receipt(ctx, h.Transfer)
	if err != nil || !ok {
		return err
	}
	out := &Receipt{
		Signer: h.Peer, Code: got.Code, Items: got.Received.Items, Bytes: got.Received.Bytes, Unchanged: got.Unchanged.Items, Failed: got.Failed,
	}
	h.Receipt = out
	if h.Role == mft.RoleReceive {
		out.Signer = "" // this agent
		return nil
	}
	if len(envelope) == 0 {
		out.Problem = "the signed form was not kept by the version that received it"
		return nil
	}
	e, err := protocol.ParseEnvelope(envelope)
	if err == nil {
		out.Signer, out.Signed = e.Sender, e.Issued
		err = t.Verify(e, e.Issued)
	}
	if err == nil && (e.Transfer != h.Transfer || e.Sender != h.Peer) {
		err = mft.Fail(mft.CodeBadSigned, "verify receipt", h.Transfer.String(), nil)
	}
	if out.Verified = err == nil; err != nil {
		out.Problem = err.Error()
	}
	return nil
}

// root returns the directory of the source of a channel, if it is known.
func (t *Tracer) root(channel string) string {
	for _, c := range t.Channels() {
		if c.Name == channel {
			return filepath.Clean(c.From.Path)
		}
	}
	return ""
}

// below returns what remains of p below dir, with slashes.
func below(dir, p string) (string, bool) {
	rel, err := filepath.Rel(dir, p)
	if err != nil || rel == "." || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", false
	}
	return filepath.ToSlash(rel), true
}

// landed is where an item of a transfer is that was sent to a destination: below it if
// it is a directory.
func landed(destination, item string) place {
	if !strings.HasSuffix(destination, "/") {
		return place{destination, item}
	}
	return place{destination + path.Clean(item), item}
}
