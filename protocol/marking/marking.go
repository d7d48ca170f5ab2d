// Package marking is what two agents say to each other about marker files: the
// one that conducts a channel asks, the one at the destination looks at them and
// writes them.
//
// It is part of the protocol, see docs/protocol.md, and refuses what package
// protocol refuses. Whether a path may be looked at or written is for whoever
// is asked.
package marking

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/internal/wire"
)

// Limits of one message.
const (
	MaxQuestions = 256
	MaxWait      = time.Minute
	// MaxDetail is how many bytes of a detail are sent with each answer, so that
	// all have room.
	MaxDetail = 160
)

// A Deed is what is asked for.
type Deed uint8

// The deeds, as package trigger/firing means them.
const (
	Look Deed = iota
	Place
	Remove
	Take
	Drop
	// Try is to make and remove another file beside the marker, to see that this can be
	// done. It is for who speaks protocol.VersionCanary.
	Try
)

// String returns the deed's name in lower case.
func (d Deed) String() string {
	if names := [...]string{"look", "place", "remove", "take", "drop", "try"}; int(d) < len(names) {
		return names[d]
	}
	return fmt.Sprintf("deed %d", uint8(d))
}

// A State is what is said of a marker.
type State uint8

// The states. Of a question, Done is that nothing is known.
const (
	Done   State = iota // what was asked for is done
	Absent              // nothing is there
	There               // the marker is
	Taken               // a trigger was taken, and not dropped yet
	Failed              // the reason says why nothing was done, or nothing can be said
)

// kinds are the numbers of the kinds of markers.
var kinds = [...]mft.MarkerKind{
	1: mft.MarkerTrigger, mft.MarkerBlock, mft.MarkerActivity, mft.MarkerCompletion, mft.MarkerFailure, mft.MarkerSilence, mft.MarkerActive,
}

// Allows reports whether a deed is one that a marker of this kind is for.
func Allows(k mft.MarkerKind, d Deed) bool {
	switch k {
	case mft.MarkerBlock, mft.MarkerActive:
		return d == Look
	case mft.MarkerTrigger:
		return d == Look || d == Take || d == Drop || d == Try
	case mft.MarkerCompletion:
		return d == Place || d == Try
	case mft.MarkerActivity, mft.MarkerFailure, mft.MarkerSilence:
		return d == Place || d == Remove || d == Try
	}
	return false
}

// A Question is about one marker.
type Question struct {
	Deed    Deed
	Kind    mft.MarkerKind
	Channel string
	// Path is absolute, in the form of the host that is asked.
	Path string
	// Known is, for Look, what was answered last.
	Known State
}

// Questions are one message.
type Questions struct {
	// Wait is how long the answer may take while every one is as Known says; then
	// all are to look.
	Wait time.Duration
	List []Question
}

// An Answer is that to one question.
type Answer struct {
	State State
	// Reason is why it failed.
	Reason mft.Reason
}

// Append appends the body of a protocol.KindMarkers. Wait is held between zero and
// MaxWait.
func Append(b []byte, q *Questions) []byte {
	b = wire.AppendSize(b, min(max(q.Wait, 0), MaxWait).Milliseconds())
	b = wire.AppendUint(b, uint64(len(q.List)))
	for i := range q.List {
		b = appendQuestion(b, &q.List[i])
	}
	return b
}

func appendQuestion(b []byte, q *Question) []byte {
	b = append(b, uint8(q.Deed), uint8(max(0, slices.Index(kinds[:], q.Kind))))
	b = wire.AppendBytes(wire.AppendBytes(b, q.Channel), q.Path)
	return append(b, uint8(q.Known))
}

// Parse reads what Append wrote.
func Parse(body []byte) (Questions, error) {
	const smallest = 7 // bytes of a question
	c := wire.Read("read questions about markers", body)
	q := Questions{Wait: time.Duration(c.Uint("wait", uint64(MaxWait.Milliseconds()))) * time.Millisecond}
	for i := range c.Count("questions", MaxQuestions, smallest) {
		c.Entry(i)
		one := readQuestion(&c)
		if q.Wait > 0 && one.Deed != Look {
			c.Fail("deed", "%v does not wait", one.Deed)
		}
		if c.Err() != nil {
			break
		}
		q.List = append(q.List, one)
	}
	return wire.Done(&c, q)
}

func readQuestion(c *wire.Reader) Question {
	q := Question{Deed: Deed(c.U8("deed"))}
	if q.Deed > Try {
		c.Fail("deed", "%d is none", uint8(q.Deed))
	}
	kind := c.U8("marker")
	if kind == 0 || int(kind) >= len(kinds) {
		c.Fail("marker", "%d is none", kind)
		return q
	}
	q.Kind = kinds[kind]
	q.Channel, q.Path = c.Line("channel", protocol.MaxChannel), c.Path("path")
	q.Known = State(c.U8("known"))
	switch {
	case q.Channel == "":
		c.Fail("channel", "empty")
	case q.Path == "":
		c.Fail("path", "empty")
	case q.Known > Failed, q.Known != Done && q.Deed != Look:
		c.Fail("known", "%d has no place in a %v", uint8(q.Known), q.Deed)
	}
	return q
}

// AppendAnswers appends the body of a protocol.KindMarked.
func AppendAnswers(b []byte, list []Answer) []byte {
	b = wire.AppendUint(b, uint64(len(list)))
	for _, a := range list {
		b = append(b, uint8(a.State))
		if a.State == Failed {
			detail := strings.ToValidUTF8(a.Reason.Detail, "?")
			b = wire.AppendReason(b, a.Reason.Code, detail[:min(len(detail), MaxDetail)])
		}
	}
	return b
}

// ParseAnswers reads what AppendAnswers wrote in answer to these questions.
func ParseAnswers(body []byte, asked []Question) ([]Answer, error) {
	c := wire.Read("read answers about markers", body)
	if n := c.Count("answers", MaxQuestions, 1); n != len(asked) && c.Err() == nil {
		c.Fail("answers", "%d to %d questions", n, len(asked))
	}
	out := make([]Answer, 0, len(asked))
	for i := range asked {
		c.Entry(i)
		a := Answer{State: State(c.U8("state"))}
		if a.State == Failed {
			a.Reason = mft.Reason{Code: c.Code(), Detail: c.Detail()}
			if c.Err() == nil && a.Reason.Code.OK() {
				c.Fail("code", "a failure has a reason")
			}
		}
		if !fits(asked[i].Deed, a.State) {
			c.Fail("state", "%d is no answer to a %v", uint8(a.State), asked[i].Deed)
		}
		if c.Err() != nil {
			break
		}
		out = append(out, a)
	}
	return wire.Done(&c, out)
}

// fits reports whether a state answers a deed.
func fits(d Deed, s State) bool {
	switch d {
	case Look:
		return s >= Absent && s <= Failed
	case Take:
		return s == Absent || s == Taken || s == Failed
	}
	return s == Done || s == Failed
}
