package store

import (
	"context"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
)

// This file holds all agents together to what there is. Blocks leave the reserve of
// the disk free: it is for the database, for letters, without which nothing would be
// fetched and removed again, and for whatever else the host does.

// DefaultReserve is how much of its file system a store leaves free, in bytes,
// unless the operator says otherwise.
const DefaultReserve = 1 << 30

// count adds to the bytes of blocks under way, and returns those of an agent and of
// all.
func (s *Store) count(of mft.AgentName, size int64) (its, all int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.coming[of] += size; s.coming[of] == 0 {
		delete(s.coming, of)
	}
	for _, n := range s.coming {
		all += n
	}
	return s.coming[of], all
}

// reserve counts a block that is under way, so that many at once do not exceed what
// one after the other could not. It is counted before it is asked what is kept: one
// that was kept meanwhile is in one of the two at least.
func (s *Store) reserve(ctx context.Context, b Block) (release func(), err error) {
	its, all := s.count(b.Owner, b.Size)
	release = func() { s.count(b.Owner, -b.Size) }
	if err := s.fits(ctx, b, its, all); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// fits refuses a block beyond what its agent may have, with mft.CodeQuota, or beyond
// what there is for all, with mft.CodeNoSpace.
func (s *Store) fits(ctx context.Context, b Block, its, all int64) error {
	place, err := s.Place(ctx, b.Owner)
	if err != nil {
		return err
	}
	if place.Bytes+its > place.Quota.Bytes {
		return refusal(mft.CodeQuota, opStage, b.Name,
			fmt.Sprintf("agent %s has %d bytes at the relay, and may have %d", b.Owner, place.Bytes, place.Quota.Bytes))
	}
	if s.c.Total > 0 {
		var kept int64
		if _, err := s.db.Row(ctx, "counting what is kept", "SELECT coalesce(sum(size), 0) FROM objects", nil, &kept); err != nil {
			return err
		}
		if kept+all > s.c.Total {
			return s.full(opStage, b.Name, "the relay keeps as much as it may for all agents together")
		}
	}
	if err := s.leaves(opStage, b.Name, all, s.c.Reserve); err != nil {
		return err
	}
	s.told.Store(false)
	return nil
}

// leaves refuses with mft.CodeNoSpace what would leave less free than reserve.
func (s *Store) leaves(op, subject string, size, reserve int64) error {
	free, err := s.c.Free()
	switch {
	case err != nil:
		return err
	case free.Inodes == 0 || free.Bytes-size < reserve:
		return s.full(op, subject, "the disk of the relay is full but for what is left to its host")
	}
	return nil
}

// full refuses something, and tells the operator when it begins.
func (s *Store) full(op, subject, why string) error {
	err := refusal(mft.CodeNoSpace, op, subject, why)
	if !s.told.Swap(true) && s.c.Full != nil {
		s.c.Full(err)
	}
	return err
}

// free returns what is left of the file system of the store.
func (s *Store) free() (confine.Space, error) { return s.disk.Free("") }
