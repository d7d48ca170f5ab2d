package database

import (
	"context"
	"errors"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"mft.dev/mft"
)

const (
	opWrite = "write the journal"
	opRead  = "read the journal"
)

var (
	errClosed = errors.New("the journal is closed")
	errOver   = errors.New("a transaction was used after its function had returned")
	errAbrupt = errors.New("the function of another caller did not return")
)

// failure makes of a failure of the database, or of what stopped it, an error
// with a code. It keeps a code that err has.
func failure(op, path string, err error) error {
	var coded *mft.Error
	var db *sqlite.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &coded):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return mft.Fail(mft.CodeTimeout, op, path, err)
	case errors.Is(err, context.Canceled):
		return mft.Fail(mft.CodeCancelled, op, path, err)
	case errors.As(err, &db) && db.Code()&0xff == lib.SQLITE_FULL:
		return mft.Fail(mft.CodeNoSpace, op, path, err)
	}
	return mft.Fail(mft.CodeJournal, op, path, err)
}
