package rehearsal

import (
	"cmp"
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"mft.dev/mft"
	"mft.dev/mft/agent/inquiry/question"
	"mft.dev/mft/agent/rehearsal/scene"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/rehearsal"
	"mft.dev/mft/transfer/mirror"
)

// answerWithin is how long the other end may take for one message.
const answerWithin = time.Minute

// A Thing is something at the source.
type Thing = scene.Thing

// A Walk calls visit for everything that a run would send, parents before children and
// the names of a directory together but for what is below them, and stops at the first
// error of visit.
type Walk func(ctx context.Context, visit func(Thing) error) error

// An Asker asks one agent what would become of what a run would send there.
type Asker struct {
	// Open opens a conversation with the agent on the link.
	Open func(ctx context.Context, peer mft.AgentName, id mft.TransferID) (Conversation, error)
	To   mft.AgentName
	// Question has all but its portions.
	rehearsal.Question

	see    func(Finding)
	open   []*level // from the top down
	asked  int      // bytes and names of the portions of Question
	names  int
	plan   mirror.Plan // of a mirror: what would be removed
	unseen bool
}

// A level is a directory of the source whose names are not complete yet.
type level struct {
	dir    string
	things []Thing
}

// Run goes through the source and calls see for each finding. It returns why a mirror
// would remove nothing, nil if it would remove what was found. Errors are those of walk,
// of the link, mft.CodeVersion for a peer that does not know rehearsals, and those of a
// Keeper.
func (a *Asker) Run(ctx context.Context, walk Walk, see func(Finding)) (refused, err error) {
	a.see = see
	if a.Mirror.On {
		a.open = []*level{{}}
	}
	if err := walk(ctx, func(t Thing) error { return a.add(ctx, t) }); err != nil {
		return nil, err
	}
	if err := a.closeTo(ctx, 0); err != nil {
		return nil, err
	}
	if err := a.flush(ctx); err != nil {
		return nil, err
	}
	if a.unseen {
		return nil, nil
	}
	return mirror.Decide(&a.plan, a.Mirror, false), nil
}

// add takes a thing to its directory, and asks about those that are complete by then.
func (a *Asker) add(ctx context.Context, t Thing) error {
	dir := above(t.Path)
	n := slices.IndexFunc(a.open, func(l *level) bool { return l.dir == dir })
	if n < 0 {
		n = 0
		for n < len(a.open) && within(a.open[n].dir, dir) {
			n++
		}
		if err := a.closeTo(ctx, n); err != nil {
			return err
		}
		a.open = append(a.open, &level{dir: dir})
	} else if err := a.closeTo(ctx, n+1); err != nil {
		return err
	}
	l := a.open[n]
	l.things = append(l.things, t)
	if t.Err != nil {
		a.see(Finding{Path: t.Path, Verdict: Unread, Err: t.Err, Count: mft.Count{Items: 1}})
	}
	if a.Mirror.On && !t.Stays && t.Err == nil && t.Type == mft.ItemDir {
		a.open = append(a.open, &level{dir: t.Path}) // it may be empty
	}
	return nil
}

func above(p string) string {
	if d := path.Dir(p); d != "." {
		return d
	}
	return ""
}

// within reports whether a directory lies below another one.
func within(dir, p string) bool { return dir == "" || strings.HasPrefix(p, dir+"/") }

// closeTo asks about all levels from the nth on.
func (a *Asker) closeTo(ctx context.Context, n int) error {
	for len(a.open) > n {
		l := a.open[len(a.open)-1]
		a.open = a.open[:len(a.open)-1]
		if err := a.finish(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// finish puts the names of a directory into portions.
func (a *Asker) finish(ctx context.Context, l *level) error {
	slices.SortFunc(l.things, func(x, y Thing) int { return cmp.Compare(path.Base(x.Path), path.Base(y.Path)) })
	p := rehearsal.Portion{Dir: l.dir}
	a.asked += rehearsal.SizeOfName(l.dir)
	for i, t := range l.things {
		name := path.Base(t.Path)
		if i > 0 && path.Base(l.things[i-1].Path) == name {
			continue
		}
		size := rehearsal.SizeOfName(name)
		if !t.Stays && t.Err == nil {
			size = rehearsal.SizeOf(&t.Item)
		}
		if a.full(size) {
			last := p.After
			if i > 0 {
				last = path.Base(l.things[i-1].Path)
			}
			a.put(p)
			if err := a.flush(ctx); err != nil {
				return err
			}
			p = rehearsal.Portion{Dir: l.dir, After: last}
			a.asked = rehearsal.SizeOfName(l.dir) + rehearsal.SizeOfName(last)
		}
		a.asked, a.names = a.asked+size, a.names+1
		if t.Stays || t.Err != nil {
			p.Stays = append(p.Stays, name)
		} else {
			p.Items = append(p.Items, t.Item)
		}
	}
	p.Last = true
	a.put(p)
	if len(a.Portions) == rehearsal.MaxPortions || a.full(0) {
		return a.flush(ctx)
	}
	return nil
}

// full reports whether something more has no room in the question.
func (a *Asker) full(size int) bool {
	return a.names == rehearsal.MaxNames || a.asked+size > rehearsal.MaxBytes
}

// put adds a portion that has something to ask.
func (a *Asker) put(p rehearsal.Portion) {
	if a.Mirror.On || len(p.Items) > 0 {
		a.Portions = append(a.Portions, p)
	}
}

// flush asks.
func (a *Asker) flush(ctx context.Context) error {
	if len(a.Portions) == 0 {
		return nil
	}
	answers, err := a.ask(ctx)
	if err != nil {
		return err
	}
	for i := range answers {
		a.tell(&a.Portions[i], &answers[i])
	}
	a.Portions, a.asked, a.names = nil, 0, 0
	return nil
}

// tell reports what was answered to a portion.
func (a *Asker) tell(p *rehearsal.Portion, answer *rehearsal.Answer) {
	for i, v := range answer.Verdicts {
		it := &p.Items[i]
		if v != rehearsal.New {
			a.plan.Total++
		}
		a.see(Finding{Path: it.Path, Dir: it.Type == mft.ItemDir, Verdict: said[v], Count: mft.Count{Items: 1, Bytes: it.Size}})
	}
	for _, e := range append(answer.Extras, answer.Rest) {
		if e.Items == 0 {
			continue
		}
		a.plan.Entries, a.plan.Total, a.plan.Files = a.plan.Entries+e.Items, a.plan.Total+e.Items, a.plan.Files+e.Files
		at := path.Join(p.Dir, e.Name)
		if e.Name == "" {
			at = ""
		}
		a.see(Finding{Path: at, Dir: e.Dir, Verdict: Removed, Count: e.Count})
	}
	if answer.Unseen {
		a.unseen = true
		a.see(Finding{Path: p.Dir, Dir: true, Verdict: Unseen, Count: mft.Count{Items: 1}})
	}
}

// ask has one message answered.
func (a *Asker) ask(ctx context.Context) ([]rehearsal.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	const op = "rehearse a run to"
	id, err := uuid.NewV7()
	if err != nil {
		return nil, mft.Fail(mft.CodeInternal, op, string(a.To), err)
	}
	body := rehearsal.Append(nil, &a.Question)
	if len(body) > protocol.MaxBody {
		return nil, mft.Fail(mft.CodeTooLarge, op, string(a.To), errors.New("the rules of the channel are too long to be asked about"))
	}
	conv, err := a.Open(ctx, a.To, mft.TransferID(id))
	if err != nil {
		return nil, err
	}
	defer conv.Close()
	e, err := question.Question{
		Op: op, To: a.To, Kind: protocol.KindRehearse, Body: body, Version: protocol.VersionRehearsals, Needs: "rehearsals need",
	}.Ask(ctx, conv)
	if err != nil {
		return nil, err
	}
	return rehearsal.ParseAnswers(e.Body, a.Portions)
}
