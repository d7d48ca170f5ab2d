package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strconv"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/relay/wire"
	"mft.dev/mft/journal/database"
)

// A Put is one letter to be put.
type Put struct {
	From, To mft.AgentName
	Body     []byte
	// Hidden leases it at once for so long; 0 for not at all.
	Hidden time.Duration
}

// Put keeps a letter. Errors: mft.CodeQuota when the sender has put as many as it
// may that nobody has removed, mft.CodeNoSpace when half of the reserve is used up.
func (s *Store) Put(ctx context.Context, p Put) (wire.Held, error) {
	if err := exchange.CheckLetter(p.Body); err != nil {
		return wire.Held{}, err
	}
	var held wire.Held
	if err := s.leaves("put letter", string(p.To), int64(len(p.Body)), s.c.Reserve/2); err != nil {
		return wire.Held{}, err
	}
	err := s.db.Update(ctx, func(tx *database.Tx) error {
		var n int64
		if _, err := tx.Row("counting letters", "SELECT count(*) FROM letters WHERE sender = ?", []any{string(p.From)}, &n); err != nil {
			return err
		}
		if most := s.c.Quota(p.From).Letters; n >= most {
			return refusal(mft.CodeQuota, "put letter", string(p.To),
				fmt.Sprintf("%d letters of agent %s lie at the relay and were not fetched, and no more are allowed", n, p.From))
		}
		now, until := s.clock.ran(), int64(0)
		if p.Hidden > 0 {
			held.Claim, until = token(), now+int64(p.Hidden)
		}
		id, err := tx.Insert("keeping a letter", "INSERT INTO letters (recipient, sender, body, at, until, claim) VALUES (?, ?, ?, ?, ?, ?)",
			string(p.To), string(p.From), p.Body, now, until, held.Claim)
		held.ID = strconv.FormatInt(id, 10)
		return err
	})
	if err == nil {
		s.bells.ring(p.To)
	}
	return held, err
}

// token returns what nobody can guess.
func token() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Take leases up to most letters to an agent, the oldest first. When there are none
// it waits for some, at most for wait, and returns none. It counts how often a
// letter is taken before anybody sees it.
func (s *Store) Take(ctx context.Context, agent mft.AgentName, most int, lease, wait time.Duration) ([]wire.Letter, error) {
	most = min(most, exchange.MaxTake)
	if most < 1 {
		return nil, refusal(mft.CodeUsage, "take letters", "", "want at least one")
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		rung := s.bells.hear(agent) // before looking, so that nothing is missed
		letters, err := s.take(ctx, agent, most, lease)
		if err != nil || len(letters) > 0 || wait <= 0 {
			return letters, err
		}
		next, err := s.returns(ctx, agent)
		if err != nil {
			return nil, err
		}
		again := time.NewTimer(next)
		select {
		case <-rung:
		case <-again.C:
		case <-timeout.C:
			wait = 0
		case <-ctx.Done():
			again.Stop()
			return nil, ctx.Err()
		}
		again.Stop()
	}
}

const isFree = " FROM letters WHERE recipient = ? AND until <= ?"

func (s *Store) take(ctx context.Context, agent mft.AgentName, most int, lease time.Duration) ([]wire.Letter, error) {
	now := s.clock.ran()
	var one int
	some, err := s.db.Row(ctx, "looking for letters", "SELECT 1"+isFree+" LIMIT 1", []any{string(agent), now}, &one)
	if err != nil || !some {
		return nil, err
	}
	var letters []wire.Letter
	err = s.db.Update(ctx, func(tx *database.Tx) error {
		letters = nil
		var ids []int64
		err := tx.Rows("reading letters", "SELECT id, body, taken + 1"+isFree+" ORDER BY id LIMIT ?", []any{string(agent), now, most}, func(r *sql.Rows) error {
			var id int64
			l := wire.Letter{Claim: token()}
			if err := r.Scan(&id, &l.Body, &l.Taken); err != nil {
				return err
			}
			l.ID = strconv.FormatInt(id, 10)
			ids, letters = append(ids, id), append(letters, l)
			return nil
		})
		for i, id := range ids {
			if err != nil {
				return err
			}
			_, err = tx.Exec("leasing a letter", "UPDATE letters SET until = ?, claim = ?, taken = taken + 1 WHERE id = ?",
				s.clock.ran()+int64(lease), letters[i].Claim, id)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return letters, nil
}

// returns says when the first lease of letters to an agent ends.
func (s *Store) returns(ctx context.Context, agent mft.AgentName) (time.Duration, error) {
	const never = int64(wire.MaxWait)
	var until int64
	_, err := s.db.Row(ctx, "looking for the end of a lease", "SELECT coalesce(min(until), ?) FROM letters WHERE recipient = ?",
		[]any{s.clock.ran() + never, string(agent)}, &until)
	return max(time.Duration(until-s.clock.ran()), time.Millisecond), err
}

// held runs a statement about a letter of an agent that is held by this claim. When
// it changes nothing, the letter is held by another, or it is gone.
func (s *Store) held(ctx context.Context, h wire.Hold, agent mft.AgentName, doing, query string, args ...any) (changed, there bool, err error) {
	id, err := strconv.ParseInt(h.ID, 10, 64)
	if err != nil || h.Claim == "" || len(h.Claim) > wire.MaxClaim {
		return false, false, refusal(mft.CodeUsage, doing, "", "the claim is none")
	}
	err = s.db.Update(ctx, func(tx *database.Tx) error {
		n, err := tx.Exec(doing, query, append(args, id, string(agent), h.Claim)...)
		if changed = n > 0; changed || err != nil {
			return err
		}
		var one int
		there, err = tx.Row(doing, "SELECT 1 FROM letters WHERE id = ? AND recipient = ?", []any{id, string(agent)}, &one)
		return err
	})
	return changed, there, err
}

// Renew hides a letter for a new lease from now, under a new claim. The error is
// mft.CodeNotFound when another has it or it is gone.
func (s *Store) Renew(ctx context.Context, agent mft.AgentName, h wire.Hold, lease time.Duration) (wire.Held, error) {
	const op = "renew letter"
	out := wire.Held{ID: h.ID, Claim: token()}
	changed, there, err := s.held(ctx, h, agent, op, "UPDATE letters SET until = ?, claim = ? WHERE id = ? AND recipient = ? AND claim = ?",
		s.clock.ran()+int64(lease), out.Claim)
	switch {
	case err != nil:
		return wire.Held{}, err
	case there:
		return wire.Held{}, refusal(mft.CodeNotFound, op, h.ID, "another has taken it")
	case !changed:
		return wire.Held{}, refusal(mft.CodeNotFound, op, h.ID, "it is gone")
	}
	s.bells.ring(agent) // it may come back earlier than those who wait know
	return out, nil
}

// Remove removes a letter. That it is gone is no error; that another has it is
// mft.CodeNotFound.
func (s *Store) Remove(ctx context.Context, agent mft.AgentName, h wire.Hold) error {
	const op = "remove letter"
	_, there, err := s.held(ctx, h, agent, op, "DELETE FROM letters WHERE id = ? AND recipient = ? AND claim = ?")
	if err == nil && there {
		return refusal(mft.CodeNotFound, op, h.ID, "another has taken it")
	}
	return err
}

// bells wake those who wait for letters.
type bells struct {
	mu sync.Mutex
	of map[mft.AgentName]chan struct{}
}

// hear returns what is closed when the next letter to an agent comes.
func (b *bells) hear(agent mft.AgentName) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of == nil {
		b.of = map[mft.AgentName]chan struct{}{}
	}
	if b.of[agent] == nil {
		b.of[agent] = make(chan struct{})
	}
	return b.of[agent]
}

func (b *bells) ring(agent mft.AgentName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.of[agent]; c != nil {
		close(c)
		delete(b.of, agent)
	}
}
