package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// A Tx is what the function given to DB.Update writes through. It is valid
// until that function returns, on that goroutine. The queries must be
// constants: their statements are kept. In an error, doing says what it was
// for.
//
// After the first failure of the database every method returns that failure:
// SQLite may have undone more than one statement.
type Tx struct {
	w      *writer
	failed error
}

// Break records a failure of the database, or a state of it that must not be
// committed, and returns it with a code.
func (tx *Tx) Break(doing string, err error) error {
	tx.failed = failure(opWrite, tx.w.path, fmt.Errorf("%s: %w", doing, err))
	return tx.failed
}

// Exec runs a statement and returns how many rows it changed.
func (tx *Tx) Exec(doing, query string, args ...any) (int64, error) {
	return tx.run(doing, sql.Result.RowsAffected, query, args)
}

// Insert runs a statement that adds one row and returns its number.
func (tx *Tx) Insert(doing, query string, args ...any) (int64, error) {
	return tx.run(doing, sql.Result.LastInsertId, query, args)
}

func (tx *Tx) run(doing string, count func(sql.Result) (int64, error), query string, args []any) (int64, error) {
	if tx.failed != nil {
		return 0, tx.failed
	}
	r, err := tx.w.exec(query, args...)
	if err != nil {
		return 0, tx.Break(doing, err)
	}
	n, err := count(r)
	if err != nil {
		return 0, tx.Break(doing, err)
	}
	return n, nil
}

// Row reads one row into dest and reports whether there was one.
func (tx *Tx) Row(doing, query string, args []any, dest ...any) (bool, error) {
	if tx.failed != nil {
		return false, tx.failed
	}
	s, err := tx.w.prepare(query)
	if err == nil {
		err = s.QueryRowContext(context.Background(), args...).Scan(dest...)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, tx.Break(doing, err)
	}
	return true, nil
}

// Rows calls f for every row of a query. f must not use the transaction.
func (tx *Tx) Rows(doing, query string, args []any, f func(*sql.Rows) error) error {
	if tx.failed != nil {
		return tx.failed
	}
	s, err := tx.w.prepare(query)
	if err != nil {
		return tx.Break(doing, err)
	}
	rows, err := s.QueryContext(context.Background(), args...)
	if err == nil {
		err = each(rows, f)
	}
	if err != nil {
		return tx.Break(doing, err)
	}
	return nil
}
