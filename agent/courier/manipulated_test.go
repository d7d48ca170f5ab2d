package courier_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/identity"
	"mft.dev/mft/identity/card"
)

// An owner is whoever owns the account: everything that the ends put there goes
// through its hands. It does one thing to one letter, read or key, and remembers
// what it saw.
type owner struct {
	good exchange.Exchange
	who  *adversary
}

// An adversary owns the account of two ends.
type adversary struct {
	mu      sync.Mutex
	r       *rand.Rand
	armed   string // what it is about to do; "" for nothing
	done    bool
	letters [][]byte          // that it saw
	objects map[string][]byte // what was read, by place
	foreign []byte            // the card of an agent of its own, under a name of theirs
	old     map[mft.AgentName][][]byte
}

// manipulations are what an owner can do.
func manipulations() []string {
	return []string{
		"letter flipped", "letter cut", "letter extended", "letter deleted", "letter replaced", "letter replayed", "letters reordered",
		"letter redirected", "object flipped", "object cut", "object deleted", "object swapped", "object rolled back", "grant ended",
		"card replaced", "card added", "cards hidden", "old card",
	}
}

// now reports whether this is the time for a manipulation, once.
func (a *adversary) now(what string) bool {
	if a.armed != what || a.done {
		return false
	}
	a.done = true
	return true
}

func (o owner) exchange() exchange.Exchange {
	x := o.good
	x.Queue, x.Reader, x.Keys = ownedQueue{o.good.Queue, o.who}, ownedReader{o.good.Reader, o.who}, ownedKeys{o.good.Keys, o.who}
	return x
}

type ownedQueue struct {
	exchange.Queue
	a *adversary
}

func (q ownedQueue) Put(ctx context.Context, to mft.AgentName, body []byte) error {
	bodies := q.a.letter(body)
	if q.a.take("letter redirected") {
		to = map[mft.AgentName]mft.AgentName{"alpha": "beta", "beta": "alpha"}[to]
	}
	for _, b := range bodies {
		if err := q.Queue.Put(ctx, to, b); err != nil {
			return err
		}
	}
	return nil
}

func (a *adversary) take(what string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now(what)
}

// letter returns what becomes of a letter.
func (a *adversary) letter(body []byte) [][]byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.letters = append(a.letters, slices.Clone(body))
	if len(a.letters) > 60 {
		a.letters = a.letters[1:]
	}
	spoilt := slices.Clone(body)
	other := a.letters[a.r.IntN(len(a.letters))]
	switch {
	case a.now("letter flipped"):
		spoilt[a.r.IntN(len(spoilt))] ^= 1 << a.r.IntN(7)
	case a.now("letter cut"):
		spoilt = spoilt[:1+a.r.IntN(len(spoilt)-1)]
	case a.now("letter extended"):
		spoilt = append(spoilt, spoilt[:min(8, len(spoilt))]...)
		spoilt = spoilt[:min(len(spoilt), exchange.MaxLetter)]
	case a.now("letter deleted"):
		return nil
	case a.now("letter replaced"):
		return [][]byte{other}
	case a.now("letter replayed"):
		return [][]byte{body, other, body}
	case a.now("letters reordered"):
		return [][]byte{other, body}
	}
	return [][]byte{spoilt}
}

type ownedReader struct {
	exchange.Reader
	a *adversary
}

func (r ownedReader) Read(ctx context.Context, ref string, offset int64, p []byte) error {
	err := r.Reader.Read(ctx, ref, offset, p)
	if err != nil {
		return err
	}
	a := r.a
	a.mu.Lock()
	defer a.mu.Unlock()
	place := fmt.Sprint(offset, len(p))
	before := a.objects[place]
	a.objects[place] = slices.Clone(p)
	switch {
	case a.now("object flipped"):
		p[a.r.IntN(len(p))] ^= 1 << a.r.IntN(8)
	case a.now("object cut"), a.now("object deleted"):
		return mft.Fail(mft.CodeNotFound, "read", "", nil)
	case a.now("grant ended"):
		return mft.Fail(mft.CodeExpired, "read", "", nil)
	case a.now("object swapped"):
		for _, other := range a.objects {
			copy(p, other)
		}
		p[0] ^= 1
	case a.now("object rolled back"):
		if len(before) == len(p) {
			copy(p, before)
		} else {
			clear(p)
		}
	}
	return nil
}

type ownedKeys struct {
	exchange.Keys
	a *adversary
}

func (k ownedKeys) Statements(ctx context.Context, of mft.AgentName) ([][]byte, error) {
	list, err := k.Keys.Statements(ctx, of)
	if err != nil {
		return nil, err
	}
	a := k.a
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.now("card replaced"):
		return [][]byte{a.foreign}, nil
	case a.now("card added"):
		return append([][]byte{a.foreign}, list...), nil
	case a.now("cards hidden"):
		return nil, nil
	case a.now("old card"):
		return a.old[of], nil
	}
	return list, nil
}

// TestManipulated: whatever the owner of the account does is refused or detected,
// nothing wrong appears, and when it ends the transfer completes.
func TestManipulated(t *testing.T) {
	const worlds = 4
	n := 500
	if raceEnabled && !*long || testing.Short() {
		n = 72
	}
	for i := range worlds {
		t.Run(fmt.Sprintf("world %d", i), func(t *testing.T) {
			t.Parallel()
			owned(t, *seed*worlds+uint64(i), n/worlds)
		})
	}
}

func owned(t *testing.T, seed uint64, n int) {
	r := rand.New(rand.NewPCG(seed, 1))
	top := memory(t)
	alpha, beta, _ := newEnds(t, top)
	ends := []*end{alpha, beta}
	a := &adversary{r: rand.New(rand.NewPCG(seed, 2)), objects: map[string][]byte{}, old: map[mft.AgentName][][]byte{}}
	stranger, err := identity.LoadOrCreate(filepath.Join(top, "stranger"), "alpha", time.Now())
	must(t, err)
	a.foreign = card.Make(stranger)
	var hours time.Duration
	var mu sync.Mutex
	for _, e := range ends {
		a.old[e.name] = [][]byte{card.Make(e.keys)}
		e.exchange = owner{e.exchange, a}.exchange()
		e.clock = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(hours)
		}
		e.live()
	}
	defer func() {
		for _, e := range ends {
			e.die()
		}
	}()
	kinds := manipulations()
	for i := range n {
		if i == n/2 { // now there are old cards
			must(t, alpha.keys.Rotate(time.Now(), 0))
			alpha.die()
			alpha.live()
		}
		what := kinds[(i+int(seed))%len(kinds)]
		a.arm(what)
		s := newShipment(t, r, i, ends[1-i%2], top)
		s.overwrite, s.between = mft.OverwriteNever, nil
		ends[i%2].ship(s)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		for !s.arrivesSoon(ctx) {
			// A letter that the owner took away is written again after a day.
			mu.Lock()
			hours += 25 * time.Hour
			mu.Unlock()
			s.poke()
			if ctx.Err() != nil {
				t.Errorf("%d: %s: it never arrived", i, what)
				s.wait(ctx, t)
			}
		}
		s.check(t)
		if !a.arm("") {
			t.Errorf("%d: %s: nothing was done", i, what)
		}
		cancel()
		must(t, os.RemoveAll(s.src))
		must(t, os.RemoveAll(s.dst))
	}
	for _, e := range ends {
		e.mu.Lock()
		whys := append(slices.Clone(e.aside), e.refused...)
		e.mu.Unlock()
		for _, err := range whys {
			if code := mft.CodeOf(err); code == mft.CodeOther || code == mft.CodeInternal {
				t.Errorf("%s has no name for %v", e.name, err)
			}
		}
	}
}

// arm makes ready for a manipulation, and reports whether the last one was
// done.
func (a *adversary) arm(what string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.done
	a.armed, a.done = what, false
	return was
}

// arrivesSoon waits a little for the receipt.
func (s *shipment) arrivesSoon(ctx context.Context) bool {
	soon := time.NewTimer(300 * time.Millisecond)
	defer soon.Stop()
	select {
	case <-s.done:
		return true
	case <-soon.C:
	case <-ctx.Done():
	}
	return false
}
