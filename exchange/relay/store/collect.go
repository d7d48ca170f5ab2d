package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"strconv"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal/database"
)

// How often the clock is saved, and how often what nobody comes for is removed.
const (
	saveEvery    = time.Minute
	collectEvery = 10 * time.Minute
)

// Run removes what nobody comes for until ctx ends.
func (s *Store) Run(ctx context.Context) {
	save, collect := time.NewTicker(saveEvery), time.NewTicker(collectEvery)
	defer save.Stop()
	defer collect.Stop()
	for {
		err := error(nil)
		select {
		case <-ctx.Done():
			return
		case <-save.C:
			err = s.saveClock(ctx)
		case <-collect.C:
			err = s.Collect(ctx)
		}
		if err != nil && ctx.Err() == nil && s.c.Failed != nil {
			s.c.Failed(err)
		}
	}
}

// collectMost is the most rows that one transaction removes, so that nobody waits
// long for it.
const collectMost = 200

// Collect removes letters, objects and grants that are past their time.
func (s *Store) Collect(ctx context.Context) error {
	now := s.clock.ran()
	letters, err := s.removeSome(ctx, "collecting letters",
		"DELETE FROM letters WHERE id IN (SELECT id FROM letters WHERE at < ? AND until < ? LIMIT ?)", now-int64(s.c.Letters), now)
	if err != nil {
		return err
	}
	// A grant that has ended is told from one of an object that is gone for a while.
	if _, err := s.removeSome(ctx, "collecting grants",
		"DELETE FROM grants WHERE token IN (SELECT token FROM grants WHERE until < ? AND until < ? LIMIT ?)", now-int64(time.Hour), now); err != nil {
		return err
	}
	objects, err := s.collectObjects(ctx, now)
	if s.c.Collected != nil && letters+objects > 0 {
		s.c.Collected(letters, objects)
	}
	return err
}

// removeSome runs a statement that removes some rows until there are no more.
func (s *Store) removeSome(ctx context.Context, doing, query string, times ...any) (all int64, err error) {
	for {
		var n int64
		err := s.db.Update(ctx, func(tx *database.Tx) (err error) {
			n, err = tx.Exec(doing, query, append(times, collectMost)...)
			return err
		})
		all += n
		if err != nil || n < collectMost {
			return all, err
		}
	}
}

func (s *Store) collectObjects(ctx context.Context, now int64) (all int64, err error) {
	for {
		var ids []int64
		err := s.db.Update(ctx, func(tx *database.Tx) error {
			ids = nil
			err := tx.Rows("collecting objects", "SELECT id FROM objects WHERE blocks = 0 AND at < ? OR blocks > 0 AND at < ? LIMIT ?",
				[]any{now - int64(s.c.Unfinished), now - int64(s.c.Unfetched), collectMost}, func(r *sql.Rows) error {
					var id int64
					err := r.Scan(&id)
					ids = append(ids, id)
					return err
				})
			for _, id := range ids {
				if err == nil {
					_, err = tx.Exec("removing an object", "DELETE FROM objects WHERE id = ?", id)
				}
			}
			return err
		})
		if err != nil {
			return all, err
		}
		for _, id := range ids {
			_ = s.root.RemoveAll(objectPath(id)) // else the next start does
		}
		if all += int64(len(ids)); len(ids) < collectMost {
			return all, nil
		}
	}
}

// tidy removes the files that the database does not name. Nothing else runs.
func (s *Store) tidy(ctx context.Context) error {
	known := map[string]bool{} // objects
	err := s.db.Rows(ctx, "reading objects", "SELECT id FROM objects", nil, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		known[strconv.FormatInt(id, 10)] = true
		return err
	})
	if err != nil {
		return err
	}
	dirs, err := fs.ReadDir(s.root.FS(), objectsDir)
	if err != nil {
		return failure("list", objectsDir, err)
	}
	for _, d := range dirs {
		if known[d.Name()] {
			if err := s.tidyObject(ctx, d.Name()); err != nil {
				return err
			}
			continue
		}
		if err := s.root.RemoveAll(objectsDir + "/" + d.Name()); err != nil {
			return failure("remove", d.Name(), err)
		}
	}
	return nil
}

func (s *Store) tidyObject(ctx context.Context, object string) error {
	files := map[string]bool{}
	err := s.db.Rows(ctx, "reading the blocks of an object", "SELECT number, file FROM blocks WHERE object = ?", []any{object}, func(r *sql.Rows) error {
		var number int
		var file string
		err := r.Scan(&number, &file)
		files[blockName(number, file)] = true
		return err
	})
	if err != nil {
		return err
	}
	entries, err := fs.ReadDir(s.root.FS(), objectsDir+"/"+object)
	if err != nil {
		return failure("list", object, err)
	}
	for _, e := range entries {
		if files[e.Name()] {
			delete(files, e.Name())
			continue
		}
		if err := s.root.Remove(objectsDir + "/" + object + "/" + e.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return failure("remove", e.Name(), err)
		}
	}
	if len(files) > 0 && s.c.Failed != nil {
		s.c.Failed(mft.Fail(mft.CodeCorrupt, "find the blocks of object", object, errors.New("files are missing that the database names; its sender makes it anew")))
	}
	return nil
}
