package faulty

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

// A givenLetter is what the double knows of a letter that it has given out. The
// claims that it gives are its own: only the last one is good.
type givenLetter struct {
	body   []byte
	inner  exchange.Letter // as the storage gave it
	taken  int
	claims int  // how many were given
	gone   bool // removed in the storage; always so of poison
	ended  bool // and nobody is to have it again
}

// claim returns the letter under a new claim.
func (g *givenLetter) claim(id string) exchange.Letter {
	g.claims++
	return exchange.Letter{ID: id, Body: slices.Clone(g.body), Taken: g.taken, Claim: g.current(id)}
}

func (g *givenLetter) current(id string) string { return fmt.Sprintf("%s#%d", id, g.claims) }

type queue struct{ d *Double }

func (q queue) Put(ctx context.Context, to mft.AgentName, body []byte) error {
	f := q.d.meet(ctx, "Put", Refused, Unheard, Slow, Doubled)
	if f.harm == Doubled {
		if err := q.d.inner.Queue.Put(ctx, to, body); err != nil {
			return err
		}
	}
	return f.change("Put", func() error { return q.d.inner.Queue.Put(ctx, to, body) })
}

func (q queue) Take(ctx context.Context, most int, lease time.Duration) ([]exchange.Letter, error) {
	f := q.d.meet(ctx, "Take", Refused, Slow, Unsorted, Dropped, LeaseLost, Poison)
	if f.harm == Refused {
		return nil, f.failure("Take")
	}
	out := q.d.giveAgain(f.dice, most)
	if f.harm == Poison && len(out) < most {
		out = append([]exchange.Letter{q.d.poison(f.dice)}, out...)
	}
	if len(out) == 0 { // else the storage would wait for more
		fresh, err := q.d.inner.Queue.Take(ctx, most, lease)
		if err != nil {
			return nil, err
		}
		out = q.d.give(fresh)
	}
	switch f.harm {
	case Unsorted:
		f.dice.Shuffle(len(out), func(i, k int) { out[i], out[k] = out[k], out[i] })
	case LeaseLost:
		q.d.comeAgain(out[:min(len(out), 1)])
	case Dropped:
		q.d.comeAgain(out)
		return nil, f.failure("Take")
	}
	return out, nil
}

// give notes letters that the storage gave.
func (d *Double) give(fresh []exchange.Letter) (out []exchange.Letter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range fresh {
		g := d.letters[l.ID]
		if g == nil {
			g = &givenLetter{}
			d.letters[l.ID] = g
		}
		g.body, g.inner, g.taken, g.gone, g.ended = slices.Clone(l.Body), l, max(g.taken+1, l.Taken), false, false
		d.last = g.body
		out = append(out, g.claim(l.ID))
	}
	return out
}

// comeAgain has letters given again by a later Take.
func (d *Double) comeAgain(letters []exchange.Letter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range letters {
		if !slices.Contains(d.again, l.ID) {
			d.again = append(d.again, l.ID)
		}
	}
}

// giveAgain returns letters that come again: whoever had them has them no more.
func (d *Double) giveAgain(dice *rand.Rand, most int) (out []exchange.Letter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var later []string
	for _, id := range d.again {
		g := d.letters[id]
		switch {
		case g.ended:
		case len(out) == most || dice.IntN(2) == 0 && len(d.again) > 1:
			later = append(later, id)
		default:
			g.taken++
			out = append(out, g.claim(id))
			if g.inner.ID == "" {
				later = append(later, id) // poison
			}
		}
	}
	d.again = later
	return out
}

// poison returns what is no letter: noise, or a letter that was changed.
func (d *Double) poison(dice *rand.Rand) exchange.Letter {
	d.mu.Lock()
	defer d.mu.Unlock()
	body := noise(dice, 1+dice.IntN(exchange.MaxLetter))
	if len(d.last) > 0 && dice.IntN(2) == 0 {
		body = slices.Clone(d.last)
		body[len(body)/2] ^= 1
	}
	id := fmt.Sprintf("poison-%d", len(d.letters))
	g := &givenLetter{body: body, taken: 1, gone: true}
	d.letters[id] = g
	d.again = append(d.again, id)
	return g.claim(id)
}

// errStale is what a claim that is not the last one comes to.
func errStale(op string) error {
	return mft.Fail(mft.CodeNotFound, op, "", errors.New("another has the letter, or it is gone (perhaps on purpose)"))
}

// held returns the letter of a claim, if it is the last one.
func (d *Double) held(l *exchange.Letter) (g *givenLetter, gone bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g = d.letters[l.ID]
	if g == nil || g.ended {
		return nil, true
	}
	if g.current(l.ID) != l.Claim {
		return nil, false
	}
	return g, false
}

func (q queue) Renew(ctx context.Context, l *exchange.Letter, lease time.Duration) error {
	f := q.d.meet(ctx, "Renew", Refused, Unheard, Slow, Stale)
	g, _ := q.d.held(l)
	if g == nil {
		return errStale("renew letter")
	}
	switch f.harm {
	case Refused:
		q.d.comeAgain([]exchange.Letter{*l}) // as if the lease ended meanwhile
		return f.failure("Renew")
	case Stale:
		q.d.comeAgain([]exchange.Letter{*l})
		return errStale("renew letter")
	}
	if err := q.d.renew(ctx, g, lease); err != nil {
		return err
	}
	q.d.mu.Lock()
	next := g.claim(l.ID)
	q.d.mu.Unlock()
	if f.harm == Unheard {
		q.d.comeAgain([]exchange.Letter{*l})
		return f.failure("Renew")
	}
	l.Claim = next.Claim
	return nil
}

// renew renews the letter in the storage.
func (d *Double) renew(ctx context.Context, g *givenLetter, lease time.Duration) error {
	d.mu.Lock()
	inner, gone := g.inner, g.gone
	d.mu.Unlock()
	if gone {
		return ctx.Err()
	}
	if err := d.inner.Queue.Renew(ctx, &inner, lease); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	g.inner = inner
	return nil
}

func (q queue) Remove(ctx context.Context, l *exchange.Letter) error {
	f := q.d.meet(ctx, "Remove", Refused, Unheard, Slow, Stale, NotRemoved)
	g, gone := q.d.held(l)
	if gone {
		return nil
	}
	if g == nil {
		return errStale("remove letter")
	}
	switch f.harm {
	case Refused:
		q.d.comeAgain([]exchange.Letter{*l}) // as if the lease ended meanwhile
		return f.failure("Remove")
	case Stale:
		q.d.comeAgain([]exchange.Letter{*l})
		return errStale("remove letter")
	}
	q.d.mu.Lock()
	inner, removed := g.inner, g.gone
	q.d.mu.Unlock()
	if !removed {
		if err := q.d.inner.Queue.Remove(ctx, &inner); err != nil {
			return err
		}
	}
	q.d.mu.Lock()
	g.gone, g.ended = true, f.harm != NotRemoved
	q.d.mu.Unlock()
	switch f.harm {
	case NotRemoved:
		q.d.comeAgain([]exchange.Letter{*l})
	case Unheard:
		return f.failure("Remove")
	}
	return nil
}
