package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/relay/wire"
	"mft.dev/mft/journal/database"
)

// grantsOf is the most grants of one object that are good at once: a further one
// ends the oldest.
const grantsOf = 32

// Grant lets whoever shows the reference read a published object.
func (s *Store) Grant(ctx context.Context, owner mft.AgentName, name string, life time.Duration) (wire.Grant, error) {
	const op = "grant object"
	if err := exchange.CheckName(name); err != nil {
		return wire.Grant{}, err
	}
	life, err := exchange.CheckLife(life)
	if err != nil {
		return wire.Grant{}, err
	}
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	hash := sha256.Sum256(secret[:])
	end := s.c.Now().Add(life)
	err = s.db.Update(ctx, func(tx *database.Tx) error {
		var id int64
		known, err := tx.Row("looking for an object", "SELECT id FROM objects WHERE owner = ? AND name = ? AND blocks > 0", []any{string(owner), name}, &id)
		if err == nil && !known {
			err = refusal(mft.CodeNotFound, op, name, "no object of this name is published")
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec("ending the oldest grants", `DELETE FROM grants WHERE object = ?1 AND token NOT IN
			(SELECT token FROM grants WHERE object = ?1 ORDER BY until DESC LIMIT ?2)`, id, grantsOf-1); err != nil {
			return err
		}
		_, err = tx.Exec("granting an object", "INSERT INTO grants (token, object, until, wall) VALUES (?, ?, ?, ?)",
			hash[:], id, s.clock.ran()+int64(life), end.UnixNano())
		return err
	})
	if err != nil {
		return wire.Grant{}, err
	}
	return wire.Grant{Ref: wire.RefPrefix + base64.RawURLEncoding.EncodeToString(secret[:]), Until: end.UnixMilli()}, nil
}

const opRead = "read granted object"

// granted returns the object that a reference leads to, and how large its blocks
// and all of it are.
func (s *Store) granted(ctx context.Context, ref string) (id, block, size int64, err error) {
	if err := wire.CheckRef(ref); err != nil {
		return 0, 0, 0, err
	}
	secret, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimPrefix(ref, wire.RefPrefix))
	if err != nil {
		return 0, 0, 0, refusal(mft.CodeExpired, opRead, "", "the grant has ended, or there never was one")
	}
	hash := sha256.Sum256(secret)
	var until, wall, at int64
	known, err := s.db.Row(ctx, "looking for a grant", "SELECT object, until, wall FROM grants WHERE token = ?", []any{hash[:]}, &id, &until, &wall)
	if err != nil {
		return 0, 0, 0, err
	}
	now := s.clock.ran()
	if !known || until <= now || wall <= s.c.Now().UnixNano() {
		return 0, 0, 0, refusal(mft.CodeExpired, opRead, "", "the grant has ended, or there never was one")
	}
	known, err = s.db.Row(ctx, "looking for an object", "SELECT block, size, at FROM objects WHERE id = ? AND blocks > 0", []any{id}, &block, &size, &at)
	if err == nil && !known {
		err = refusal(mft.CodeNotFound, opRead, "", "the object was removed")
	}
	if err == nil && now-at > int64(s.c.Unfetched/16) {
		err = s.db.Update(ctx, func(tx *database.Tx) error {
			_, err := tx.Exec("noting that an object is read", "UPDATE objects SET at = ? WHERE id = ?", now, id)
			return err
		})
	}
	return id, block, size, err
}

// Read returns length bytes of a granted object from offset on; the caller closes
// it. Errors: mft.CodeExpired when the grant has ended, mft.CodeNotFound when the object
// is gone or shorter.
func (s *Store) Read(ctx context.Context, ref string, offset int64, length int) (io.ReadCloser, error) {
	id, block, size, err := s.granted(ctx, ref)
	if err != nil {
		return nil, err
	}
	if length < 1 || length > wire.MaxBlock || offset < 0 {
		return nil, refusal(mft.CodeUsage, opRead, "", "there is no such range")
	}
	if offset > size-int64(length) {
		return nil, refusal(mft.CodeNotFound, opRead, "", "the object is shorter")
	}
	r := &ranged{store: s, object: id, skip: offset % block, left: int64(length)}
	first, last := offset/block, (offset+int64(length)-1)/block
	err = s.db.Rows(ctx, "reading the blocks of an object", "SELECT number, file FROM blocks WHERE object = ? AND number BETWEEN ? AND ? ORDER BY number",
		[]any{id, first, last}, func(rows *sql.Rows) error {
			var number int
			var file string
			err := rows.Scan(&number, &file)
			r.files = append(r.files, blockName(number, file))
			return err
		})
	if err == nil {
		err = r.next() // so that one that is gone is told before anything is sent
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// A ranged reads from one block after the other.
type ranged struct {
	store  *Store
	object int64
	files  []string // still to be opened
	at     io.ReadCloser
	skip   int64 // of the first
	left   int64
}

// next opens the next file.
func (r *ranged) next() error {
	if len(r.files) == 0 {
		return refusal(mft.CodeNotFound, opRead, "", "the object was removed")
	}
	name := objectPath(r.object) + "/" + r.files[0]
	f, err := r.store.root.Open(name)
	if err != nil {
		return failure(opRead, "", err)
	}
	if _, err := f.Seek(r.skip, io.SeekStart); err != nil {
		return failure(opRead, "", errors.Join(err, f.Close()))
	}
	r.at, r.files, r.skip = f, r.files[1:], 0
	return nil
}

// Read implements io.Reader.
func (r *ranged) Read(p []byte) (int, error) {
	for r.left > 0 {
		n, err := r.at.Read(p[:min(int64(len(p)), r.left)])
		r.left -= int64(n)
		if n > 0 || err != nil && err != io.EOF { //nolint:errorlint // a file does not wrap it
			return n, err
		}
		if err == nil {
			continue
		}
		if err := errors.Join(r.at.Close(), r.next()); err != nil {
			return 0, err
		}
	}
	return 0, io.EOF
}

// Close implements io.Closer.
func (r *ranged) Close() error { return r.at.Close() }

// Publish keeps a statement of the keys of an agent; the oldest goes when it has
// more than exchange.MaxStatements.
func (s *Store) State(ctx context.Context, owner mft.AgentName, id string, statement []byte) error {
	if err := exchange.CheckStatement(id, statement); err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *database.Tx) error {
		if _, err := tx.Exec("keeping a statement", "INSERT OR REPLACE INTO statements (owner, id, body) VALUES (?, ?, ?)", string(owner), id, statement); err != nil {
			return err
		}
		_, err := tx.Exec("removing old statements", `DELETE FROM statements WHERE owner = ?1 AND n NOT IN
			(SELECT n FROM statements WHERE owner = ?1 ORDER BY n DESC LIMIT ?2)`, string(owner), exchange.MaxStatements)
		return err
	})
}

// Unstate removes a statement. That there is none is no error.
func (s *Store) Unstate(ctx context.Context, owner mft.AgentName, id string) error {
	return s.db.Update(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec("removing a statement", "DELETE FROM statements WHERE owner = ? AND id = ?", string(owner), id)
		return err
	})
}

// Statements returns what an agent has stated.
func (s *Store) Statements(ctx context.Context, of mft.AgentName) ([][]byte, error) {
	out := [][]byte{}
	err := s.db.Rows(ctx, "reading statements", "SELECT body FROM statements WHERE owner = ? ORDER BY n", []any{string(of)}, func(r *sql.Rows) error {
		var body []byte
		err := r.Scan(&body)
		out = append(out, body)
		return err
	})
	return out, err
}
