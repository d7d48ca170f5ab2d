package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// A Form is what the tables of a database look like.
type Form struct {
	// ApplicationID marks the file in the header field that SQLite reserves
	// for that.
	ApplicationID int32
	// Steps lead from each version of the schema to the next; the first
	// makes version 1 of an empty file. A step that was released is never
	// edited.
	Steps []string
}

// migrate brings the database behind conn to the version that form leads to,
// all in one transaction.
func migrate(ctx context.Context, conn *sql.Conn, form Form) (err error) {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("beginning to check the schema: %w", err)
	}
	defer func() {
		if err != nil {
			// The rollback must happen even if ctx is why we are here.
			_, undo := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
			err = errors.Join(err, undo)
		}
	}()
	version, err := schemaVersion(ctx, conn, form.ApplicationID)
	if err != nil {
		return err
	}
	if version > len(form.Steps) {
		return fmt.Errorf("its schema is version %d, written by a newer mft; this one knows up to version %d",
			version, len(form.Steps))
	}
	for i, step := range form.Steps[version:] {
		if _, err := conn.ExecContext(ctx, step); err != nil {
			return fmt.Errorf("bringing the schema to version %d: %w", version+i+1, err)
		}
	}
	if version < len(form.Steps) {
		// A pragma takes no placeholder.
		mark := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", form.ApplicationID, len(form.Steps))
		if _, err := conn.ExecContext(ctx, mark); err != nil {
			return fmt.Errorf("writing the version of the schema: %w", err)
		}
	}
	if _, err := conn.ExecContext(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("committing the schema: %w", err)
	}
	return nil
}

// Version returns the version of the schema of the database at path, which must
// be there and which nobody has open; 0 when it is empty.
func Version(ctx context.Context, path string, applicationID int32) (version int, err error) {
	const op = "look at the journal"
	db, err := pool(path, readCache, 1, "&mode=rw")
	if err != nil {
		return 0, failure(op, path, err)
	}
	defer func() { err = failure(op, path, errors.Join(err, db.Close())) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return 0, fmt.Errorf("opening the database: %w", err)
	}
	defer conn.Close()
	return schemaVersion(ctx, conn, applicationID)
}

// schemaVersion reads the version, and refuses a database that is not a
// journal rather than add tables to it.
func schemaVersion(ctx context.Context, conn *sql.Conn, want int32) (int, error) {
	var version, tables int
	var id int32
	err := conn.QueryRowContext(ctx, `SELECT user_version, application_id, (SELECT count(*) FROM sqlite_schema)
		FROM pragma_user_version, pragma_application_id`).Scan(&version, &id, &tables)
	if err != nil {
		return 0, fmt.Errorf("reading the version of the schema: %w", err)
	}
	empty := version == 0 && id == 0 && tables == 0
	if !empty && (id != want || version < 1) {
		return 0, errors.New("the file is a database, but not a journal of mft")
	}
	return version, nil
}
