package farend

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/marking"
	"mft.dev/mft/trigger/marker"
)

// A Conversation is one with a peer; *link.Conversation is one.
type Conversation interface {
	Send(ctx context.Context, kind protocol.Kind, body []byte) error
	Receive(ctx context.Context) (*protocol.Envelope, error)
	Speaks() uint8
	Close()
}

// every is how long it takes to see that a marker has appeared or gone.
const every = time.Second

// A Keeper answers questions about markers of this host. Its methods may be called
// concurrently.
type Keeper struct {
	// Grants returns what a peer may do here.
	Grants func(peer mft.AgentName) []mft.Grant
	Now    func() time.Time
}

// Answer answers the question that opened a conversation. It returns when that is over.
func (k Keeper) Answer(ctx context.Context, conv Conversation, e *protocol.Envelope) error {
	q, err := marking.Parse(e.Body)
	if err != nil {
		return err
	}
	end := k.Now().Add(q.Wait)
	for {
		answers, news := k.all(e.Sender, q.List)
		left := end.Sub(k.Now())
		if news || left <= 0 || left > q.Wait {
			return conv.Send(ctx, protocol.KindMarked, marking.AppendAnswers(nil, answers))
		}
		// Nothing comes but the end of the conversation.
		pause, cancel := context.WithTimeout(ctx, min(every, left))
		_, _ = conv.Receive(pause)
		over := pause.Err() == nil || ctx.Err() != nil
		cancel()
		if over {
			return nil // nobody waits for the answer
		}
	}
}

// all answers all questions, and reports whether one has another answer than is
// known.
func (k Keeper) all(peer mft.AgentName, list []marking.Question) (out []marking.Answer, news bool) {
	grants := k.Grants(peer)
	for _, q := range list {
		state, err := k.one(peer, grants, q)
		a := marking.Answer{State: state}
		if err != nil {
			a = marking.Answer{State: marking.Failed, Reason: mft.Reason{Code: mft.CodeOf(err), Detail: cause(err)}}
		}
		out, news = append(out, a), news || a.State != q.Known
	}
	return out, news
}

// cause says why something failed, without what was done to what: who asked knows.
func cause(err error) string {
	var known *mft.Error
	if errors.As(err, &known) && known.Err != nil {
		return known.Err.Error()
	}
	return mft.CodeOf(err).Sentence()
}

// one does what one question asks for, if this host's own file lets it.
func (k Keeper) one(peer mft.AgentName, grants []mft.Grant, q marking.Question) (marking.State, error) {
	at, ok := named(grants, q.Kind, q.Path)
	if !ok {
		return 0, mft.Fail(mft.CodeNotAllowed, q.Deed.String()+" marker", q.Path,
			fmt.Errorf("allow.files_from has no %s marker of %s at this path", q.Kind, peer))
	}
	if !marking.Allows(q.Kind, q.Deed) {
		return 0, mft.Fail(mft.CodeNotAllowed, q.Deed.String()+" marker", q.Path, fmt.Errorf("that is not what a %s marker is for", q.Kind))
	}
	taker := string(peer) + "/" + q.Channel // channels of several peers may have one name
	switch q.Deed {
	case marking.Place:
		return marking.Done, marker.Place(at, k.Now(), marker.Attributes{Mode: 0o644, UID: -1, GID: -1})
	case marking.Remove:
		return marking.Done, marker.Remove(at)
	case marking.Drop:
		return marking.Done, marker.Drop(at, taker)
	case marking.Take:
		taken, err := marker.Take(at, taker)
		if !taken {
			return marking.Absent, err
		}
		return marking.Taken, err
	}
	is, err := marker.Look(at)
	if is || err != nil {
		return marking.There, err
	}
	if q.Kind == mft.MarkerTrigger {
		if is, err = marker.Taken(at, taker); is || err != nil {
			return marking.Taken, err
		}
	}
	return marking.Absent, nil
}

// named returns the path of the marker that a peer names, in the form of this host, if
// its own file has it.
func named(grants []mft.Grant, kind mft.MarkerKind, p string) (string, bool) {
	for _, g := range grants {
		for _, m := range g.Markers {
			if m.Kind == kind && path.Clean(filepath.ToSlash(m.Path)) == path.Clean(filepath.ToSlash(p)) {
				return filepath.FromSlash(m.Path), true
			}
		}
	}
	return "", false
}

// Blocked returns why what would land there has to wait, if it has to: the grant
// that it lands by has a block marker, which is there or cannot be looked at. The error
// has code CodeBlocked.
func Blocked(grants []mft.Grant, l journal.Landing) error {
	place := path.Join(filepath.ToSlash(l.Root), l.Dir)
	for _, g := range grants {
		root := path.Clean(filepath.ToSlash(g.Root))
		if place != root && !strings.HasPrefix(place, strings.TrimSuffix(root, "/")+"/") {
			continue
		}
		for _, m := range g.Markers {
			if m.Kind != mft.MarkerBlock {
				continue
			}
			is, err := marker.Look(filepath.FromSlash(m.Path))
			if is {
				err = errors.New("it is there")
			}
			if err != nil {
				return mft.Fail(mft.CodeBlocked, "hold because of marker", m.Path, err)
			}
		}
	}
	return nil
}
