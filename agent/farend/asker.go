package farend

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"mft.dev/mft"
	"mft.dev/mft/agent/inquiry/question"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/marking"
)

// Config is what an Asker needs; every field must be set.
type Config struct {
	// Open opens a conversation with a peer on the link, and dials if there is none.
	Open func(ctx context.Context, peer mft.AgentName, id mft.TransferID) (Conversation, error)
	Now  func() time.Time
	Log  *slog.Logger
}

const (
	// hold is how long a peer may take to say that nothing has changed.
	hold = 30 * time.Second
	// answerWithin is how long it may take beyond that.
	answerWithin = 10 * time.Second
	// firstPause and lastPause are between attempts to ask a peer that does not answer.
	firstPause, lastPause = time.Second, 30 * time.Second
	// breath is between two questions to one that does: what waits for a moment in which
	// there is no conversation has it.
	breath = 100 * time.Millisecond
	// shunned is how long a marker that could not be written is left alone, unless the
	// link comes back before.
	shunned = 15 * time.Second
	// most is how many bytes of questions go into one message.
	most = 48 << 10
)

// A Mark is a marker on the host of a peer, as a channel knows it. Without a path it
// stands for whether the peer answers.
type Mark struct {
	Agent   mft.AgentName
	Channel string
	Kind    mft.MarkerKind
	Path    string
}

// An Asker knows markers of other hosts. Its methods may be called concurrently.
type Asker struct {
	c     Config
	peers map[mft.AgentName]*peer
}

// A peer is what is known of the markers of one.
type peer struct {
	name  mft.AgentName
	looks []Mark

	mu   sync.Mutex // guards what follows
	seen map[Mark]marking.Answer
	away error // why nobody can look
	met  bool  // it was asked, or tried to be
	bars map[Mark]bar
	wake chan struct{} // closed when the link comes back
	// asking are the questions that wait for news of what this end knows.
	asking map[*marking.Questions]context.CancelFunc
}

// A bar is why a marker could not be written, and until when that is not tried again.
type bar struct {
	why   error
	until time.Time
}

// NewAsker returns one that knows these markers. It starts nothing.
func NewAsker(c Config, marks []Mark) *Asker {
	a := &Asker{c: c, peers: map[mft.AgentName]*peer{}}
	for _, m := range marks {
		p := a.peers[m.Agent]
		if p == nil {
			p = &peer{
				name: m.Agent, seen: map[Mark]marking.Answer{}, bars: map[Mark]bar{}, wake: make(chan struct{}),
				asking: map[*marking.Questions]context.CancelFunc{},
				away:   mft.Fail(mft.CodeUnreachable, "ask for markers of", string(m.Agent), errors.New("it was not asked yet")),
			}
			a.peers[m.Agent] = p
		}
		if m.Path != "" && (m.Kind == mft.MarkerTrigger || m.Kind == mft.MarkerBlock || m.Kind == mft.MarkerActive) {
			p.looks = append(p.looks, m)
		}
	}
	return a
}

// Run asks until ctx is done.
func (a *Asker) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, name := range slices.Sorted(maps.Keys(a.peers)) {
		p := a.peers[name]
		for _, some := range portions(p.looks) {
			all.Go(func() { a.follow(ctx, p, some) })
		}
	}
	all.Wait()
}

// portions splits what is asked of one peer into messages; there is at least one.
func portions(looks []Mark) (out [][]Mark) {
	size := 0
	for _, m := range looks {
		n := len(m.Channel) + len(m.Path) + 16
		if len(out) == 0 || size+n > most || len(out[len(out)-1]) == marking.MaxQuestions {
			out, size = append(out, nil), 0
		}
		out[len(out)-1], size = append(out[len(out)-1], m), size+n
	}
	if len(out) == 0 {
		out = [][]Mark{nil}
	}
	return out
}

// follow keeps what is known of some markers true.
func (a *Asker) follow(ctx context.Context, p *peer, looks []Mark) {
	pause := firstPause
	for ctx.Err() == nil {
		asking, q, wake := p.begin(ctx, looks)
		answers, err := a.ask(asking, p.name, q)
		stale := asking.Err() != nil
		p.end(q)
		switch {
		case stale: // what was known has changed
		case p.learn(looks, answers, err) == nil:
			pause = firstPause
			wait(ctx, breath, nil)
		default:
			wait(ctx, pause, wake)
			pause = min(2*pause, lastPause)
		}
	}
}

// begin returns the question to ask, and a context that ends when it is no longer the
// one to ask.
func (p *peer) begin(ctx context.Context, looks []Mark) (context.Context, *marking.Questions, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := &marking.Questions{}
	if p.met && p.away == nil {
		q.Wait = hold
	}
	for _, m := range looks {
		q.List = append(q.List, marking.Question{Deed: marking.Look, Kind: m.Kind, Channel: m.Channel, Path: m.Path, Known: p.seen[m].State})
	}
	ctx, p.asking[q] = context.WithCancel(ctx)
	return ctx, q, p.wake
}

func (p *peer) end(q *marking.Questions) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asking[q]()
	delete(p.asking, q)
}

// changed notes what a deed has made of a marker, and has it asked anew.
func (p *peer) changed(m Mark, s marking.State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[m] = marking.Answer{State: s}
	for _, cancel := range p.asking {
		cancel()
	}
}

// wait waits for so long, or until something is closed.
func wait(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-wake:
	}
}

// learn notes what a peer has said, or why it says nothing, which is returned.
func (p *peer) learn(looks []Mark, answers []marking.Answer, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.met = true
	if p.away = err; err != nil {
		clear(p.seen)
		return err
	}
	for i, m := range looks {
		p.seen[m] = answers[i]
	}
	return nil
}

// ask asks a peer, and returns its answers.
func (a *Asker) ask(ctx context.Context, name mft.AgentName, q *marking.Questions) ([]marking.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, q.Wait+answerWithin)
	defer cancel()
	id, err := uuid.NewV7()
	if err != nil {
		return nil, mft.Fail(mft.CodeInternal, "ask for markers of", string(name), err)
	}
	conv, err := a.c.Open(ctx, name, mft.TransferID(id))
	if err != nil {
		return nil, err
	}
	defer conv.Close()
	need := uint8(protocol.VersionMarkers)
	if slices.ContainsFunc(q.List, func(one marking.Question) bool { return one.Deed == marking.Try }) {
		need = protocol.VersionCanary
	}
	e, err := question.Question{
		Op: "ask for markers of", To: name, Kind: protocol.KindMarkers, Body: marking.Append(nil, q), Version: need, Needs: "this about markers at its end needs",
	}.Ask(ctx, conv)
	if ctx.Err() != nil {
		a.abort(ctx, conv)
	}
	if err != nil {
		return nil, err
	}
	return marking.ParseAnswers(e.Body, q.List)
}

// abort tells the peer that nobody waits any more for its answer.
func (a *Asker) abort(ctx context.Context, conv Conversation) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	f := protocol.Failure{Code: mft.CodeCancelled}
	if err := conv.Send(ctx, protocol.KindAbort, protocol.AppendFailure(nil, &f)); err != nil {
		a.c.Log.Debug("a question about markers could not be taken back", "err", err)
	}
}

// Up says that the link to a peer is there.
func (a *Asker) Up(name mft.AgentName) {
	p := a.peers[name]
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.bars)
	close(p.wake)
	p.wake = make(chan struct{})
}

// A Sight is what is known of a marker.
type Sight struct {
	// There says that the marker is there, or was taken and not dropped.
	There bool
	// Unmet says that the peer was not asked yet; then it counts as barred.
	Unmet bool
	// Away is why nobody can be asked, and Barred why the one who can does not look, or
	// could not write.
	Away, Barred error
}

// Look returns what is known of a marker.
func (a *Asker) Look(m Mark) Sight {
	p := a.peers[m.Agent]
	if p == nil {
		return Sight{Away: mft.Fail(mft.CodeInternal, "look at marker", m.Path, errors.New("nobody asks for it"))}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	b, is := p.bars[m]
	said := p.seen[m]
	switch {
	case !p.met: // in a moment it is known, or known that nobody answers
		return Sight{Unmet: true, Barred: mft.Fail(mft.CodeUnreachable, "look at marker of "+string(m.Agent), m.Path, errors.New("the agent was not asked yet"))}
	case mft.CodeOf(p.away) == mft.CodeVersion:
		return Sight{Barred: p.away}
	case p.away != nil:
		return Sight{Away: p.away}
	case is && a.c.Now().Before(b.until):
		return Sight{Barred: b.why}
	case said.State == marking.Failed:
		return Sight{Barred: mft.Fail(said.Reason.Code, "look at marker of "+string(m.Agent), m.Path, errors.New(said.Reason.Detail))}
	}
	return Sight{There: said.State == marking.There || said.State == marking.Taken}
}

// Try has a peer see whether it can write a marker, or look at one that is for looking,
// and changes nothing.
func (a *Asker) Try(ctx context.Context, m Mark) error {
	deed := marking.Try
	if !marking.Allows(m.Kind, deed) {
		deed = marking.Look
	}
	q := marking.Questions{List: []marking.Question{{Deed: deed, Kind: m.Kind, Channel: m.Channel, Path: m.Path}}}
	answers, err := a.ask(ctx, m.Agent, &q)
	if err == nil && answers[0].State == marking.Failed {
		err = mft.Fail(answers[0].Reason.Code, deed.String()+" marker of "+string(m.Agent), m.Path, errors.New(answers[0].Reason.Detail))
	}
	return err
}

// Do has a peer do something about a marker, and returns whether a trigger was taken. What
// it refuses is barred for a while.
func (a *Asker) Do(ctx context.Context, deed marking.Deed, m Mark) (taken bool, err error) {
	q := marking.Questions{List: []marking.Question{{Deed: deed, Kind: m.Kind, Channel: m.Channel, Path: m.Path}}}
	answers, err := a.ask(ctx, m.Agent, &q)
	p := a.peers[m.Agent]
	if err != nil {
		if ctx.Err() == nil {
			_ = p.learn(nil, nil, err)
		}
		return false, err
	}
	switch said := answers[0]; {
	case said.State == marking.Failed:
		err = mft.Fail(said.Reason.Code, deed.String()+" marker of "+string(m.Agent), m.Path, errors.New(said.Reason.Detail))
		p.mu.Lock()
		p.bars[m] = bar{err, a.c.Now().Add(shunned)}
		p.mu.Unlock()
		return false, err
	case deed == marking.Take:
		p.changed(m, said.State)
		return said.State == marking.Taken, nil
	case deed == marking.Drop:
		p.changed(m, marking.Done) // one that was made anew may be there
	}
	return false, nil
}
