package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"mft.dev/mft"
)

// A writer owns the only connection that writes. Only the leader uses it.
type writer struct {
	path  string
	db    *sql.DB
	conn  *sql.Conn // nil when there is none, or it was thrown away
	stmts map[string]*sql.Stmt
}

// connect makes sure that there is a connection.
func (w *writer) connect(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	w.conn, w.stmts = conn, make(map[string]*sql.Stmt)
	return nil
}

// discard throws the connection away, and with it whatever transaction may be
// open: SQLite rolls that back. It is the answer to every state that cannot
// be explained.
func (w *writer) discard() {
	if w.conn == nil {
		return
	}
	// What these report is no news: the state is bad, the connection is gone.
	_ = w.finalize()
	_ = w.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = w.conn.Close()
	w.conn = nil
}

// finalize closes the statements. database/sql does not do that for those of
// a Conn, and SQLite keeps a closed connection, with its locks, for as long as
// it has statements.
func (w *writer) finalize() error {
	var errs []error
	for _, s := range w.stmts {
		errs = append(errs, s.Close())
	}
	w.stmts = nil
	return errors.Join(errs...)
}

// close gives the connection back and closes the database.
func (w *writer) close() error {
	var errs []error
	if w.conn != nil {
		errs = append(errs, w.finalize(), w.conn.Close())
	}
	return errors.Join(append(errs, w.db.Close())...)
}

// prepare returns the statement for query, which must be a constant: it is
// kept for as long as the connection.
func (w *writer) prepare(query string) (*sql.Stmt, error) {
	if s, ok := w.stmts[query]; ok {
		return s, nil
	}
	s, err := w.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	w.stmts[query] = s
	return s, nil
}

// exec runs a statement. Nothing here can be cancelled: a transaction belongs
// to everybody in it.
func (w *writer) exec(query string, args ...any) (sql.Result, error) {
	s, err := w.prepare(query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(context.Background(), args...)
}

// run runs the functions of group in one transaction, and sets the err of
// each call once it is known what became of all of them.
func (w *writer) run(group []*call) {
	whole := false // whether the transaction came to its proper end
	defer func() {
		if !whole {
			w.discard()
		}
	}()
	fail := func(doing string, err error) {
		for _, c := range group {
			c.err = failure(opWrite, w.path, fmt.Errorf("%s: %w", doing, err))
		}
	}
	if err := w.connect(context.Background()); err != nil {
		fail("connecting", err)
		return
	}
	if _, err := w.exec("BEGIN IMMEDIATE"); err != nil {
		fail("beginning a transaction", err)
		return
	}
	answers := make([]error, len(group))
	good := 0
	for i, c := range group {
		var err error
		if answers[i], err = w.runOne(c); err != nil {
			fail("keeping one change apart from the others", err)
			return
		}
		if answers[i] == nil {
			good++
		}
	}
	if _, err := w.exec(end(good)); err != nil && good > 0 {
		fail("committing", err)
		return
	} else if err == nil {
		whole = true
	}
	for i, c := range group {
		c.err = answers[i]
	}
}

// end returns how a transaction ends in which so many functions succeeded.
func end(good int) string {
	if good == 0 {
		return "ROLLBACK"
	}
	return "COMMIT"
}

// runOne runs one function inside a savepoint and returns what to answer to
// its caller. The error err concerns the whole transaction.
func (w *writer) runOne(c *call) (answer, err error) {
	if err := c.gone(); err != nil {
		return failure(opWrite, w.path, err), nil
	}
	if _, err := w.exec("SAVEPOINT one"); err != nil {
		return nil, err
	}
	tx := &Tx{w: w}
	answer = c.f(tx)
	broken := tx.failed
	tx.failed = mft.Fail(mft.CodeInternal, opWrite, w.path, errOver)
	if answer == nil {
		answer = broken
	}
	if answer != nil {
		if _, err := w.exec("ROLLBACK TO one"); err != nil {
			// After some failures SQLite has already undone everything;
			// then broken is the cause for the others too.
			return nil, errors.Join(broken, err)
		}
	}
	if _, err := w.exec("RELEASE one"); err != nil {
		return nil, err
	}
	return answer, nil
}
