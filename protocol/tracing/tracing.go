// Package tracing is what two agents say to each other about where a file is: the
// one names a transfer that both have and one of its items, and the other what it
// knows of that, and of the other transfers that had the file.
//
// It is part of the protocol, see docs/protocol.md, and refuses what package protocol
// refuses. How much the asker may know is for whoever is asked.
package tracing

import (
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/internal/wire"
)

// Limits of one message.
const (
	// MaxRecords is the most records in an answer, MaxNotes the most notes.
	MaxRecords, MaxNotes = 64, 16
	// MaxDepth is the most agents that may be asked one after the other because of a
	// question, and MaxWait the longest time that its answer may take.
	MaxDepth = 8
	MaxWait  = 30 * time.Second
	// MaxSteps and MaxExits are the most of each in a record.
	MaxSteps, MaxExits = 32, 16
	// MaxText is how many bytes of a sentence are sent, MaxPlace the longest path on a
	// host.
	MaxText, MaxPlace = 160, 4096
	// MaxBytes is what all records and notes of an answer may take together.
	MaxBytes = 60 << 10
)

// maxWord is the longest name of a state, a step or the phase of an exit.
const maxWord = 32

// A Question is about the transfer that the envelope names.
type Question struct {
	// Item is the path of the item in the transfer, "" for the transfer as a whole.
	Item string
	// Records is how many records may be answered, and Depth how many agents may be asked
	// one after the other by the one who is asked; Wait is for when the answer is of use.
	Records, Depth int
	Wait           time.Duration
}

// A Record is what one agent says of one transfer.
type Record struct {
	// By is who says it; what others say is repeated by who answers, without their
	// signatures.
	By       mft.AgentName
	Transfer mft.TransferID
	Role     mft.Role // of By
	Peer     mft.AgentName
	Channel  string
	State    mft.State
	Reason   mft.Reason
	// File is the final path on the host of By, and There that at the other end; empty
	// where it may not be known.
	File, There string
	// Proof says how it is known that the transfer had the file.
	Proof   string
	Receipt *Receipt
	Steps   []Step
	Exits   []Exit
}

// A Receipt is what the receiving end has signed for.
type Receipt struct {
	Signed              time.Time // zero where By signed it
	Code                mft.Code
	Received, Unchanged mft.Count
	Failed              int64
	// Verified says that its signature fits, by the word of By.
	Verified bool
}

// A Step is something that happened.
type Step struct {
	Time   time.Time
	Kind   mft.EventKind
	Reason mft.Reason
}

// An Exit is a command that ran because of the transfer. Its name and what it said are
// empty where they may not be known.
type Exit struct {
	Phase   mft.ExitPhase
	Command string
	Ended   bool
	Status  int
	Reason  mft.Reason
	At      time.Time
}

// A Note is what else has to be known to read the answer, and who says it.
type Note struct {
	By   mft.AgentName
	Text string
}

// An Answer is to one question. Its first record is what the one that answers says of the
// transfer asked about.
type Answer struct {
	Records []Record
	Notes   []Note

	bytes int
}

// Add adds a record and reports whether it had room, if need be without its steps.
func (a *Answer) Add(r Record) bool {
	if len(a.Records) == MaxRecords {
		return false
	}
	r.Steps = r.Steps[max(0, len(r.Steps)-MaxSteps):]
	r.Exits = r.Exits[:min(len(r.Exits), MaxExits)]
	n := len(appendRecord(nil, &r))
	if a.bytes+n > MaxBytes && len(r.Steps) > 1 {
		r.Steps = r.Steps[len(r.Steps)-1:]
		n = len(appendRecord(nil, &r))
	}
	if a.bytes+n > MaxBytes {
		return false
	}
	a.bytes += n
	a.Records = append(a.Records, r)
	return true
}

// Note adds a note, unless there is no room or somebody has said the same.
func (a *Answer) Note(by mft.AgentName, text string) {
	n := Note{by, wire.Clip(text, protocol.MaxDetail)}
	if size := len(appendNote(nil, &n)); len(a.Notes) < MaxNotes && a.bytes+size <= MaxBytes && !slices.Contains(a.Notes, n) {
		a.bytes += size
		a.Notes = append(a.Notes, n)
	}
}

// Append appends the body of a protocol.KindTrace. Numbers are held within their limits.
func Append(b []byte, q *Question) []byte {
	b = wire.AppendBytes(b, q.Item)
	b = wire.AppendUint(b, uint64(min(max(q.Records, 1), MaxRecords)))
	b = wire.AppendUint(b, uint64(min(max(q.Depth, 0), MaxDepth)))
	return wire.AppendSize(b, min(max(q.Wait, 0), MaxWait).Milliseconds())
}

// Parse reads what Append wrote.
func Parse(body []byte) (Question, error) {
	c := wire.Read("read what is traced", body)
	q := Question{Item: string(c.Bytes("item", protocol.MaxPath))}
	if q.Item != "" && c.Err() == nil {
		if err := protocol.CheckPath(q.Item); err != nil {
			c.FailWith(mft.CodeOf(err), err)
		}
	}
	if q.Records = int(c.Uint("records", MaxRecords)); q.Records == 0 {
		c.Fail("records", "zero")
	}
	q.Depth = int(c.Uint("depth", MaxDepth))
	q.Wait = time.Duration(c.Uint("wait", uint64(MaxWait.Milliseconds()))) * time.Millisecond
	return wire.Done(&c, q)
}

// AppendAnswer appends the body of a protocol.KindTraced.
func AppendAnswer(b []byte, a *Answer) []byte {
	b = wire.AppendUint(b, uint64(len(a.Records)))
	for i := range a.Records {
		b = appendRecord(b, &a.Records[i])
	}
	b = wire.AppendUint(b, uint64(len(a.Notes)))
	for i := range a.Notes {
		b = appendNote(b, &a.Notes[i])
	}
	return b
}

func appendNote(b []byte, n *Note) []byte {
	return wire.AppendBytes(wire.AppendBytes(b, n.By), n.Text)
}

func appendRecord(b []byte, r *Record) []byte {
	b = append(wire.AppendBytes(b, r.By), r.Transfer[:]...)
	b = wire.AppendFlag(b, r.Role == mft.RoleReceive)
	b = wire.AppendBytes(b, r.Peer)
	b = wire.AppendBytes(wire.AppendBytes(b, r.Channel), r.State)
	b = appendReason(b, r.Reason)
	b = wire.AppendBytes(wire.AppendBytes(wire.AppendBytes(b, r.File), r.There), wire.Clip(r.Proof, MaxText))
	b = wire.AppendFlag(b, r.Receipt != nil)
	if r.Receipt != nil {
		b = appendReceipt(b, r.Receipt)
	}
	b = wire.AppendUint(b, uint64(len(r.Steps)))
	for i := range r.Steps {
		s := &r.Steps[i]
		b = wire.AppendBytes(wire.AppendSize(b, s.Time.UnixMilli()), s.Kind)
		b = appendReason(b, s.Reason)
	}
	b = wire.AppendUint(b, uint64(len(r.Exits)))
	for i := range r.Exits {
		x := &r.Exits[i]
		b = wire.AppendBytes(wire.AppendBytes(b, x.Phase), wire.Clip(x.Command, MaxText))
		b = wire.AppendZigzag(wire.AppendFlag(b, x.Ended), int64(x.Status))
		b = wire.AppendSize(appendReason(b, x.Reason), x.At.UnixMilli())
	}
	return b
}

func appendReason(b []byte, r mft.Reason) []byte {
	return wire.AppendReason(b, r.Code, wire.Clip(r.Detail, MaxText))
}

func appendReceipt(b []byte, r *Receipt) []byte {
	b = wire.AppendFlag(b, !r.Signed.IsZero())
	if !r.Signed.IsZero() {
		b = wire.AppendSize(b, r.Signed.UnixMilli())
	}
	b = wire.AppendCounted(wire.AppendCounted(wire.AppendReason(b, r.Code, ""), r.Received), r.Unchanged)
	return wire.AppendFlag(wire.AppendSize(b, r.Failed), r.Verified)
}

// ParseAnswer reads what AppendAnswer wrote. An answer has a record.
func ParseAnswer(body []byte) (*Answer, error) {
	const smallestRecord, smallestNote = 32, 3 // bytes
	c := wire.Read("read where a file is", body)
	a := &Answer{bytes: len(body)}
	n := c.Count("records", MaxRecords, smallestRecord)
	if n == 0 {
		c.Fail("records", "zero")
	}
	for i := range n {
		c.Entry(i)
		if r := readRecord(&c); c.Err() == nil {
			a.Records = append(a.Records, r)
		}
	}
	for i := range c.Count("notes", MaxNotes, smallestNote) {
		c.Entry(i)
		if note := (Note{c.Agent("by"), c.Detail()}); c.Err() == nil {
			a.Notes = append(a.Notes, note)
		}
	}
	return wire.Done(&c, a)
}

func readRecord(c *wire.Reader) (r Record) {
	const smallestStep, smallestExit = 5, 8 // bytes
	r.By = c.Agent("by")
	c.Fixed("transfer", r.Transfer[:])
	if r.Role = mft.RoleSend; c.Flag("receives") {
		r.Role = mft.RoleReceive
	}
	r.Peer = c.Agent("peer")
	r.Channel = c.Line("channel", protocol.MaxChannel)
	r.State = mft.State(c.Line("state", maxWord))
	r.Reason = readReason(c)
	r.File, r.There = string(c.Bytes("file", MaxPlace)), string(c.Bytes("there", MaxPlace))
	r.Proof = c.Text("proof", MaxText)
	if c.Flag("receipt") {
		r.Receipt = readReceipt(c)
	}
	for range c.Count("steps", MaxSteps, smallestStep) {
		s := Step{Time: c.Time("time"), Kind: mft.EventKind(c.Line("step", maxWord)), Reason: readReason(c)}
		r.Steps = append(r.Steps, s)
	}
	for range c.Count("commands", MaxExits, smallestExit) {
		x := Exit{Phase: mft.ExitPhase(c.Line("phase", maxWord)), Command: c.Text("command", MaxText), Ended: c.Flag("ended")}
		status := c.Zigzag("status")
		if x.Status = int(int32(status)); int64(x.Status) != status {
			c.Fail("status", "%d is none", status)
		}
		x.Reason, x.At = readReason(c), c.Time("at")
		r.Exits = append(r.Exits, x)
	}
	return r
}

func readReason(c *wire.Reader) mft.Reason {
	return mft.Reason{Code: c.Code(), Detail: c.Text("detail", MaxText)}
}

func readReceipt(c *wire.Reader) *Receipt {
	r := &Receipt{}
	if c.Flag("signed by another") {
		r.Signed = c.Time("signed")
	}
	why := readReason(c)
	if r.Code = why.Code; why.Detail != "" {
		c.Fail("detail", "a receipt has none here")
	}
	r.Received, r.Unchanged, r.Failed = c.Counted(), c.Counted(), c.Size("failed")
	r.Verified = c.Flag("verified")
	return r
}
