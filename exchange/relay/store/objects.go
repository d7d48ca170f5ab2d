package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/relay/wire"
	"mft.dev/mft/journal/database"
)

// A Block is where a block belongs, and how long it is.
type Block struct {
	Owner  mft.AgentName
	Name   string
	Number int // 0 to wire.MaxBlocks-1
	Size   int64
}

const opStage = "stage block of"

// Stage keeps a block, read from content, which must have exactly b.Size bytes.
// Errors: mft.CodeExists when the object is published, mft.CodeQuota, mft.CodeNoSpace,
// and that of content.
func (s *Store) Stage(ctx context.Context, b Block, content io.Reader) error {
	if err := exchange.CheckName(b.Name); err != nil {
		return err
	}
	if b.Number < 0 || b.Number >= wire.MaxBlocks || b.Size < 1 || b.Size > wire.MaxBlock {
		return refusal(mft.CodeTooLarge, opStage, b.Name, fmt.Sprintf("block %d has %d bytes", b.Number, b.Size))
	}
	release, err := s.reserve(ctx, b)
	if err != nil {
		return err
	}
	defer release()
	id, err := s.object(ctx, b)
	if err != nil {
		return err
	}
	file, err := s.write(id, b, content)
	if err != nil {
		return err
	}
	old, err := s.adopt(ctx, id, b, file)
	switch mft.CodeOf(err) {
	case mft.CodeOK:
		if old != "" {
			_ = s.root.Remove(blockPath(id, b.Number, old)) // else the next start does
		}
	case mft.CodeExists, mft.CodeCancelled, mft.CodeTimeout:
		_ = s.root.Remove(blockPath(id, b.Number, file))
	default: // the database may turn out to name it
	}
	return err
}

// blockPath names the file of a block.
func blockPath(object int64, number int, file string) string {
	return path.Join(objectPath(object), blockName(number, file))
}

func objectPath(object int64) string           { return objectsDir + "/" + strconv.FormatInt(object, 10) }
func blockName(number int, file string) string { return fmt.Sprintf("%05d-%s", number, file) }

// object returns the number of the object that a block belongs to, which has a
// directory and is not published.
func (s *Store) object(ctx context.Context, b Block) (id int64, err error) {
	published := func(known bool, blocks int, err error) error {
		if err == nil && known && blocks > 0 {
			return refusal(mft.CodeExists, opStage, b.Name, "the object is published")
		}
		return err
	}
	const look = "SELECT id, blocks FROM objects WHERE owner = ? AND name = ?"
	var blocks int
	args := []any{string(b.Owner), b.Name}
	known, err := s.db.Row(ctx, "looking for an object", look, args, &id, &blocks)
	if err := published(known, blocks, err); err != nil {
		return 0, err
	}
	if !known {
		err = s.db.Update(ctx, func(tx *database.Tx) error {
			known, err := tx.Row("looking for an object", look, args, &id, &blocks)
			if err := published(known, blocks, err); err != nil || known {
				return err
			}
			var n int64
			if _, err := tx.Row("counting objects", "SELECT count(*) FROM objects WHERE owner = ?", args[:1], &n); err != nil {
				return err
			}
			if most := s.c.Quota(b.Owner).Objects; n >= most {
				return refusal(mft.CodeQuota, opStage, b.Name, fmt.Sprintf("agent %s has %d objects at the relay, and may have no more", b.Owner, n))
			}
			id, err = tx.Insert("making an object", "INSERT INTO objects (owner, name, at, wall) VALUES (?, ?, ?, ?)",
				args[0], b.Name, s.clock.ran(), s.c.Now().UnixNano())
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	if err := s.root.Mkdir(objectPath(id), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return 0, failure("make directory", objectPath(id), err)
	}
	return id, s.flush(objectsDir) // also when it was there: who made it may not have come to that
}

// write puts the content of a block into a file of its own, and returns once it is
// on stable storage.
func (s *Store) write(object int64, b Block, content io.Reader) (file string, err error) {
	file = token()[:16]
	name := blockPath(object, b.Number, file)
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", failure("make file", name, err)
	}
	defer func() {
		if err != nil {
			_ = s.root.Remove(name) // else the next start does
		}
	}()
	n, cause := io.Copy(writer{f}, &reader{from: io.LimitReader(content, b.Size+1)})
	if cause == nil && n != b.Size {
		cause = refusal(mft.CodeUsage, opStage, b.Name, fmt.Sprintf("%d bytes were announced, and others came", b.Size))
	}
	if cause == nil {
		cause = failure("flush file", name, f.Sync())
	}
	if err := f.Close(); cause == nil {
		cause = failure("close file", name, err)
	}
	if cause != nil {
		return "", cause
	}
	return file, s.flush(objectPath(object))
}

// A reader gives an error of whoever sends a code, a writer one of the disk.
type (
	reader struct{ from io.Reader }
	writer struct{ to *os.File }
)

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if err != nil && err != io.EOF && mft.CodeOf(err) == mft.CodeOther { //nolint:errorlint // io.EOF is never wrapped
		err = mft.Fail(mft.CodeTimeout, opStage, "", errors.New("the block did not come whole, or not in time"))
	}
	return n, err
}

func (w writer) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	return n, failure("write file", w.to.Name(), err)
}

// adopt makes a file the content of a block and returns the one that was it.
func (s *Store) adopt(ctx context.Context, object int64, b Block, file string) (old string, err error) {
	err = s.db.Update(ctx, func(tx *database.Tx) error {
		var blocks int
		there, err := tx.Row("looking for an object", "SELECT blocks FROM objects WHERE id = ?", []any{object}, &blocks)
		if err != nil {
			return err
		}
		if !there || blocks > 0 {
			return refusal(mft.CodeExists, opStage, b.Name, "it was published or removed meanwhile")
		}
		var size int64
		if _, err := tx.Row("looking for a block", "SELECT size, file FROM blocks WHERE object = ? AND number = ?", []any{object, b.Number}, &size, &old); err != nil {
			return err
		}
		if _, err := tx.Exec("keeping a block", "INSERT OR REPLACE INTO blocks (object, number, size, file) VALUES (?, ?, ?, ?)",
			object, b.Number, b.Size, file); err != nil {
			return err
		}
		_, err = tx.Exec("counting a block", "UPDATE objects SET size = size + ?, at = ?, wall = ? WHERE id = ?",
			b.Size-size, s.clock.ran(), s.c.Now().UnixNano(), object)
		return err
	})
	return old, err
}

// Publish makes an object of its first blocks, for good. See exchange.Container.
func (s *Store) Publish(ctx context.Context, owner mft.AgentName, name string, blocks int) error {
	const op = "publish object"
	if err := exchange.CheckName(name); err != nil {
		return err
	}
	if blocks < 1 || blocks > wire.MaxBlocks {
		return refusal(mft.CodeTooLarge, op, name, fmt.Sprintf("it may have 1 to %d blocks", wire.MaxBlocks))
	}
	var beyond []string
	err := s.db.Update(ctx, func(tx *database.Tx) error {
		beyond = nil
		var id int64
		var already int
		known, err := tx.Row("looking for an object", "SELECT id, blocks FROM objects WHERE owner = ? AND name = ?", []any{string(owner), name}, &id, &already)
		switch {
		case err != nil:
			return err
		case !known:
			return refusal(mft.CodeNotFound, op, name, "nothing of it is staged")
		case already == blocks:
			return nil
		case already > 0:
			return refusal(mft.CodeExists, op, name, fmt.Sprintf("it is published with %d blocks", already))
		}
		size, block, err := s.measure(tx, id, name, blocks)
		if err != nil {
			return err
		}
		if beyond, err = filesOf(tx, id, blocks); err != nil {
			return err
		}
		if _, err := tx.Exec("leaving out blocks", "DELETE FROM blocks WHERE object = ? AND number >= ?", id, blocks); err != nil {
			return err
		}
		_, err = tx.Exec("publishing an object", "UPDATE objects SET blocks = ?, block = ?, size = ?, at = ?, wall = ? WHERE id = ?",
			blocks, block, size, s.clock.ran(), s.c.Now().UnixNano(), id)
		return err
	})
	for _, file := range beyond {
		if err == nil {
			_ = s.root.Remove(file) // else the next start does
		}
	}
	return err
}

// measure returns the size of the first blocks and of each of them, and fails when
// one is missing or of another size.
func (s *Store) measure(tx *database.Tx, id int64, name string, blocks int) (size, block int64, err error) {
	const op = "publish object"
	var found int
	var smallest, largest, last int64
	_, err = tx.Row("measuring an object", `SELECT count(*), coalesce(sum(size), 0),
		coalesce(min(size) FILTER (WHERE number < ?2 - 1), 0), coalesce(max(size) FILTER (WHERE number < ?2 - 1), 0),
		coalesce(max(size) FILTER (WHERE number = ?2 - 1), 0)
		FROM blocks WHERE object = ?1 AND number < ?2`, []any{id, blocks}, &found, &size, &smallest, &largest, &last)
	switch {
	case err != nil:
		return 0, 0, err
	case found != blocks:
		return 0, 0, refusal(mft.CodeNotFound, op, name, fmt.Sprintf("of %d blocks %d are staged", blocks, found))
	case blocks == 1:
		return size, last, nil
	case smallest != largest || last > largest:
		return 0, 0, refusal(mft.CodeUsage, op, name, "its blocks are not of one size")
	}
	return size, largest, nil
}

// filesOf returns the files of the blocks of an object from one on.
func filesOf(tx *database.Tx, id int64, from int) (files []string, err error) {
	err = tx.Rows("reading the blocks of an object", "SELECT number, file FROM blocks WHERE object = ? AND number >= ?", []any{id, from}, func(r *sql.Rows) error {
		var number int
		var file string
		if err := r.Scan(&number, &file); err != nil {
			return err
		}
		files = append(files, blockPath(id, number, file))
		return nil
	})
	return files, err
}

// RemoveObject removes an object, published or not. That there is none is no error.
func (s *Store) RemoveObject(ctx context.Context, owner mft.AgentName, name string) error {
	if err := exchange.CheckName(name); err != nil {
		return err
	}
	var id int64
	var known bool
	err := s.db.Update(ctx, func(tx *database.Tx) (err error) {
		known, err = tx.Row("looking for an object", "SELECT id FROM objects WHERE owner = ? AND name = ?", []any{string(owner), name}, &id)
		if err != nil || !known {
			return err
		}
		_, err = tx.Exec("removing an object", "DELETE FROM objects WHERE id = ?", id)
		return err
	})
	if err == nil && known {
		_ = s.root.RemoveAll(objectPath(id)) // else the next start does
	}
	return err
}

// List returns a page of the objects of an agent, by name, behind the name after.
func (s *Store) List(ctx context.Context, owner mft.AgentName, after string) (wire.Objects, error) {
	out := wire.Objects{Objects: []wire.Object{}}
	err := s.db.Rows(ctx, "listing objects", "SELECT name, blocks > 0, size, wall / 1000000 FROM objects WHERE owner = ? AND name > ? ORDER BY name LIMIT ?",
		[]any{string(owner), after, wire.Page + 1}, func(r *sql.Rows) error {
			var o wire.Object
			if err := r.Scan(&o.Name, &o.Published, &o.Size, &o.Changed); err != nil {
				return err
			}
			if !o.Published {
				o.Size = 0
			}
			out.Objects = append(out.Objects, o)
			return nil
		})
	if len(out.Objects) > wire.Page {
		out.Objects, out.More = slices.Delete(out.Objects, wire.Page, len(out.Objects)), true
	}
	return out, err
}
