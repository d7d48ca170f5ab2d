// Package faulty does to those who use an exchange every harm that storage with
// delivery at least once may do, by a schedule: the same harm for the same seed.
//
//	double := faulty.New(x, faulty.Schedule{Seed: 7})
//	// use double.Exchange instead of x; then see double.Done()
//
// It loses nothing, and goes on for ever: whoever tries again gets on.
package faulty

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

// A Harm is one thing that storage may do to those who use it.
type Harm string

// The harms. What they say of a letter that comes again is done by the double:
// nobody need wait for the lease.
const (
	// Refused calls do nothing and fail: 500, 503, a timeout.
	Refused Harm = "refused"
	// Unheard calls are done, and the answer is lost. After an unheard Renew the
	// claim is stale.
	Unheard Harm = "unheard"
	// Slow calls have Pause called first.
	Slow Harm = "slow"

	Doubled    Harm = "doubled"     // Put: two letters
	Unsorted   Harm = "unsorted"    // Take: the letters come in another order
	Dropped    Harm = "dropped"     // Take: the answer is lost, and the letters come again
	LeaseLost  Harm = "lease lost"  // Take: the first letter is given to another too
	Poison     Harm = "poison"      // Take: first comes what is no letter, until it is removed
	Stale      Harm = "stale claim" // Renew and Remove of a letter: another has it
	NotRemoved Harm = "not removed" // Remove: reported as done, and the letter comes again, the object stays

	Torn      Harm = "torn"      // Stage: half of the block is kept, and it fails
	Cut       Harm = "cut"       // Read fills half, List shows half, and they fail
	Flipped   Harm = "flipped"   // Read: a bit is wrong, which no good storage does
	Withdrawn Harm = "withdrawn" // Read: the grant has ended for good
	Blind     Harm = "blind"     // List and Statements: nothing is shown
	Foreign   Harm = "foreign"   // Statements: among them is what somebody else wrote
)

// Harms returns all of them.
func Harms() []Harm {
	return []Harm{
		Refused, Unheard, Slow, Doubled, Unsorted, Dropped, LeaseLost, Poison, Stale, NotRemoved,
		Torn, Cut, Flipped, Withdrawn, Blind, Foreign,
	}
}

// A Schedule says when which harm is done. The same calls in the same order meet
// the same harm; what is in them does not count, but for the numbers of blocks
// and offsets, so goroutines that stage or read different blocks do not disturb it.
type Schedule struct {
	Seed uint64
	// Odds is the number of calls of which one is harmed: 4 if it is 0.
	Odds int
	// InARow is how many of the same calls are harmed before one is left in
	// peace, so that whoever tries again gets on: 3 if it is 0.
	InARow int
	// Only lists the harms that are done; nil means all.
	Only []Harm
	// Pause is called by Slow with the context of the call; nil does nothing.
	Pause func(ctx context.Context)
}

// A Double is an exchange that does harm. Several processes of one agent may
// share it. It remembers what it has to give again, and loses nothing.
type Double struct {
	exchange.Exchange
	inner    exchange.Exchange
	schedule Schedule

	mu        sync.Mutex
	calls     map[string]int // how often each kind was made
	row       map[string]int // how many of it were harmed since one was not
	done      []string
	letters   map[string]*givenLetter // by ID
	again     []string                // IDs of letters that come again
	last      []byte                  // the body of the letter taken last
	withdrawn map[string]bool         // by ref
}

// New returns a double of x.
func New(x exchange.Exchange, s Schedule) *Double {
	if s.Odds == 0 {
		s.Odds = 4
	}
	if s.InARow == 0 {
		s.InARow = 3
	}
	d := &Double{
		inner: x, schedule: s, calls: map[string]int{}, row: map[string]int{},
		letters: map[string]*givenLetter{}, withdrawn: map[string]bool{},
	}
	d.Exchange = exchange.Exchange{
		Queue: queue{d}, Container: container{d}, Reader: reader{d}, Keys: keys{d}, Sizes: x.Sizes,
	}
	return d
}

// Done returns the harms so far, "CALL: HARM", in the order of the calls.
func (d *Double) Done() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.done)
}

// A fate is what happens to one call.
type fate struct {
	harm Harm // "" for none
	dice *rand.Rand
}

// meet decides what happens to a call, to which these harms can be done.
func (d *Double) meet(ctx context.Context, call string, harms ...Harm) fate {
	d.mu.Lock()
	n := d.calls[call]
	d.calls[call]++
	key := fnv.New64a()
	_, _ = fmt.Fprintf(key, "%d %d %s", d.schedule.Seed, n, call)
	f := fate{dice: rand.New(rand.NewPCG(d.schedule.Seed, key.Sum64()))}
	harms = slices.DeleteFunc(harms, func(h Harm) bool {
		return d.schedule.Only != nil && !slices.Contains(d.schedule.Only, h)
	})
	if harmed := f.dice.IntN(d.schedule.Odds) == 0; !harmed || len(harms) == 0 || d.row[call] >= d.schedule.InARow {
		d.row[call] = 0
	} else {
		d.row[call]++
		f.harm = harms[f.dice.IntN(len(harms))]
		d.done = append(d.done, call+": "+string(f.harm))
	}
	d.mu.Unlock()
	if f.harm == Slow && d.schedule.Pause != nil {
		d.schedule.Pause(ctx)
	}
	return f
}

// failure is how storage says that something went wrong.
func (f fate) failure(call string) error {
	switch f.dice.IntN(3) {
	case 0:
		return mft.Fail(mft.CodeUnreachable, call, "", errors.New("500: internal error (on purpose)"))
	case 1:
		return mft.Fail(mft.CodeUnreachable, call, "", errors.New("503: server busy (on purpose)"))
	}
	return mft.Fail(mft.CodeDisconnected, call, "", errors.New("timeout (on purpose)"))
}

// change makes a call that changes something and can be refused or unheard.
func (f fate) change(call string, do func() error) error {
	if f.harm == Refused {
		return f.failure(call)
	}
	if err := do(); err != nil || f.harm != Unheard {
		return err
	}
	return f.failure(call)
}

// noise returns n bytes that mean nothing.
func noise(dice *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(dice.Uint32())
	}
	return p
}

type container struct{ d *Double }

func (x container) Stage(ctx context.Context, name string, block int, content []byte) error {
	call := fmt.Sprintf("Stage %d", block)
	f := x.d.meet(ctx, call, Refused, Unheard, Slow, Torn)
	if f.harm == Torn && len(content) > 1 {
		if err := x.d.inner.Container.Stage(ctx, name, block, content[:len(content)/2]); err != nil {
			return err
		}
		return f.failure(call)
	}
	return f.change(call, func() error { return x.d.inner.Container.Stage(ctx, name, block, content) })
}

func (x container) Publish(ctx context.Context, name string, blocks int) error {
	f := x.d.meet(ctx, "Publish", Refused, Unheard, Slow)
	return f.change("Publish", func() error { return x.d.inner.Container.Publish(ctx, name, blocks) })
}

func (x container) Grant(ctx context.Context, name string, life time.Duration) (exchange.Grant, error) {
	var g exchange.Grant
	f := x.d.meet(ctx, "Grant", Refused, Unheard, Slow)
	err := f.change("Grant", func() (err error) {
		g, err = x.d.inner.Container.Grant(ctx, name, life)
		return err
	})
	if err != nil {
		return exchange.Grant{}, err
	}
	return g, nil
}

func (x container) Remove(ctx context.Context, name string) error {
	f := x.d.meet(ctx, "Remove object", Refused, Unheard, Slow, NotRemoved)
	if f.harm == NotRemoved {
		return nil
	}
	return f.change("Remove object", func() error { return x.d.inner.Container.Remove(ctx, name) })
}

func (x container) List(ctx context.Context, yield func(exchange.Object) bool) error {
	f := x.d.meet(ctx, "List", Refused, Slow, Cut, Blind)
	switch f.harm {
	case Refused:
		return f.failure("List")
	case Blind:
		return nil
	case Cut:
		left := f.dice.IntN(3)
		ended := false
		err := x.d.inner.Container.List(ctx, func(o exchange.Object) bool {
			left--
			ended = left < 0 || !yield(o)
			return !ended
		})
		if err == nil && left < 0 || !ended {
			err = errors.Join(err, f.failure("List"))
		}
		return err
	}
	return x.d.inner.Container.List(ctx, yield)
}

type reader struct{ d *Double }

func (r reader) Read(ctx context.Context, ref string, offset int64, p []byte) error {
	call := fmt.Sprintf("Read %d", offset)
	f := r.d.meet(ctx, call, Refused, Slow, Cut, Flipped, Withdrawn)
	r.d.mu.Lock()
	if f.harm == Withdrawn {
		r.d.withdrawn[ref] = true
	}
	ended := r.d.withdrawn[ref]
	r.d.mu.Unlock()
	switch {
	case ended:
		return mft.Fail(mft.CodeExpired, "read object", "", errors.New("the grant was withdrawn (on purpose)"))
	case f.harm == Refused:
		return f.failure(call)
	case f.harm == Cut:
		if err := r.d.inner.Reader.Read(ctx, ref, offset, p[:len(p)/2]); err != nil {
			return err
		}
		return f.failure(call)
	}
	err := r.d.inner.Reader.Read(ctx, ref, offset, p)
	if err == nil && f.harm == Flipped && len(p) > 0 {
		p[f.dice.IntN(len(p))] ^= 1 << f.dice.IntN(8)
	}
	return err
}

type keys struct{ d *Double }

func (k keys) Publish(ctx context.Context, id string, statement []byte) error {
	f := k.d.meet(ctx, "Publish statement", Refused, Unheard, Slow)
	return f.change("Publish statement", func() error { return k.d.inner.Keys.Publish(ctx, id, statement) })
}

func (k keys) Statements(ctx context.Context, of mft.AgentName) ([][]byte, error) {
	f := k.d.meet(ctx, "Statements", Refused, Slow, Blind, Foreign)
	if f.harm == Refused {
		return nil, f.failure("Statements")
	}
	list, err := k.d.inner.Keys.Statements(ctx, of)
	switch {
	case err != nil:
		return nil, err
	case f.harm == Blind:
		return nil, nil
	case f.harm == Foreign:
		foreign := noise(f.dice, 1+f.dice.IntN(exchange.MaxStatement))
		if len(list) > 0 && f.dice.IntN(2) == 0 { // one that was changed
			foreign = slices.Clone(list[f.dice.IntN(len(list))])
			foreign[f.dice.IntN(len(foreign))] ^= 1
		}
		list = append([][]byte{foreign}, list[:min(len(list), exchange.MaxStatements-1)]...)
	}
	return list, nil
}
