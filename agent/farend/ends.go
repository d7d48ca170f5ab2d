package farend

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"mft.dev/mft"
	"mft.dev/mft/protocol/marking"
)

// Ends is an Asker whose markers can become others. Its methods may be called
// concurrently, and Look, Do and Up are those of Asker.
type Ends struct {
	c Config

	mu      sync.Mutex // guards what follows
	marks   []Mark
	asker   *Asker
	running context.Context //nolint:containedctx // of Start
	cancel  context.CancelFunc
	asking  sync.WaitGroup
}

// NewEnds returns one that knows no markers. It starts nothing.
func NewEnds(c Config) *Ends {
	f := &Ends{c: c}
	f.Know(nil)
	return f
}

// Know has these markers asked for instead of those before. What was known of them has to
// be learned again if they are others.
func (f *Ends) Know(marks []Mark) {
	slices.SortFunc(marks, func(a, b Mark) int { return cmp.Compare(fmt.Sprintf("%q", a), fmt.Sprintf("%q", b)) })
	marks = slices.Compact(marks)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asker != nil && slices.Equal(marks, f.marks) {
		return
	}
	f.marks, f.asker = marks, NewAsker(f.c, marks)
	if f.running != nil {
		f.cancel()
		f.ask()
	}
}

// ask starts to ask. The caller holds mu.
func (f *Ends) ask() {
	ctx, cancel := context.WithCancel(f.running)
	f.cancel = cancel
	asker := f.asker
	f.asking.Go(func() { asker.Run(ctx) })
}

// Start begins to ask, until ctx is done.
func (f *Ends) Start(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = ctx
	f.ask()
}

// Stop ends that, and returns when nobody asks any more.
func (f *Ends) Stop() {
	f.mu.Lock()
	f.cancel()
	f.running = nil
	f.mu.Unlock()
	f.asking.Wait()
}

func (f *Ends) current() *Asker {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asker
}

// Look is that of Asker.
func (f *Ends) Look(mark Mark) Sight { return f.current().Look(mark) }

// Do is that of Asker.
func (f *Ends) Do(ctx context.Context, deed marking.Deed, mark Mark) (bool, error) {
	return f.current().Do(ctx, deed, mark)
}

// Try is that of Asker.
func (f *Ends) Try(ctx context.Context, mark Mark) error { return f.current().Try(ctx, mark) }

// Up is that of Asker.
func (f *Ends) Up(peer mft.AgentName) { f.current().Up(peer) }
