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
	"mft.dev/mft/agent/inquiry/question"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/marking"
	"mft.dev/mft/trigger/marker"
)

// A Conversation is one with a peer; *link.Conversation is one.
type Conversation = question.Conversation

// every is how long it takes to see that a marker has appeared or gone.
const every = time.Second

// A Keeper answers questions about markers of this host. Its methods may be called
// concurrently.
type Keeper struct {
	// Grants returns what a peer may do here.
	Grants func(peer mft.AgentName) []mft.Grant
	Now    func() time.Time
	// Hand carries out orders about the markers of the grant of a peer with a root, nil for
	// one that this process carries out. It may be nil itself.
	Hand func(peer mft.AgentName, root string) marker.Hand
}

// hand carries out orders about the markers of a grant.
func (k Keeper) hand(peer mft.AgentName, root string) marker.Hand {
	if k.Hand != nil {
		if h := k.Hand(peer, root); h != nil {
			return h
		}
	}
	return marker.Tree(filepath.FromSlash(root))
}

// Answer answers the question that opened a conversation. It returns when that is over.
func (k Keeper) Answer(ctx context.Context, conv Conversation, e *protocol.Envelope) error {
	q, err := marking.Parse(e.Body)
	if err != nil {
		return err
	}
	end := k.Now().Add(q.Wait)
	for {
		answers, news := k.all(ctx, e.Sender, q.List)
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
func (k Keeper) all(ctx context.Context, peer mft.AgentName, list []marking.Question) (out []marking.Answer, news bool) {
	grants := k.Grants(peer)
	for _, q := range list {
		state, err := k.one(ctx, peer, grants, q)
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
func (k Keeper) one(ctx context.Context, peer mft.AgentName, grants []mft.Grant, q marking.Question) (marking.State, error) {
	root, at, ok := named(grants, q.Kind, q.Path)
	if !ok {
		return 0, mft.Fail(mft.CodeNotAllowed, q.Deed.String()+" marker", q.Path,
			fmt.Errorf("allow.files_from has no %s marker of %s at this path", q.Kind, peer))
	}
	if !marking.Allows(q.Kind, q.Deed) {
		return 0, mft.Fail(mft.CodeNotAllowed, q.Deed.String()+" marker", q.Path, fmt.Errorf("that is not what a %s marker is for", q.Kind))
	}
	hand := k.hand(peer, root)
	o := marker.Order{Path: at, Taker: string(peer) + "/" + q.Channel, Now: k.Now().UnixNano()} // channels of several peers may have one name
	switch q.Deed {
	case marking.Place, marking.Remove, marking.Drop, marking.Try:
		o.Deed = map[marking.Deed]marker.Deed{marking.Place: marker.Place, marking.Remove: marker.Remove, marking.Drop: marker.Drop, marking.Try: marker.Try}[q.Deed]
		_, err := hand.Do(ctx, o)
		return marking.Done, err
	case marking.Take:
		o.Deed = marker.Take
		taken, err := hand.Do(ctx, o)
		if !taken {
			return marking.Absent, err
		}
		return marking.Taken, err
	}
	is, err := hand.Do(ctx, marker.Order{Deed: marker.Look, Path: at})
	if is || err != nil {
		return marking.There, err
	}
	if q.Kind == mft.MarkerTrigger {
		o.Deed = marker.Taken
		if is, err = hand.Do(ctx, o); is || err != nil {
			return marking.Taken, err
		}
	}
	return marking.Absent, nil
}

// named returns the path of the marker that a peer names and the root of the grant that
// has it, in the form of this host, if its own file has one.
func named(grants []mft.Grant, kind mft.MarkerKind, p string) (root, at string, ok bool) {
	for _, g := range grants {
		for _, m := range g.Markers {
			if m.Kind == kind && path.Clean(filepath.ToSlash(m.Path)) == path.Clean(filepath.ToSlash(p)) {
				return g.Root, filepath.FromSlash(m.Path), true
			}
		}
	}
	return "", "", false
}

// Blocked returns why what a peer would land there has to wait, if it has to: the grant
// that it lands by has a block marker, which is there or cannot be looked at. The error
// has code CodeBlocked.
func (k Keeper) Blocked(ctx context.Context, peer mft.AgentName, grants []mft.Grant, l journal.Landing) error {
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
			is, err := k.hand(peer, g.Root).Do(ctx, marker.Order{Deed: marker.Look, Path: filepath.FromSlash(m.Path)})
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
