package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
)

// What the connections may keep in memory, in KiB: the one that writes, and
// each of those that read.
const (
	writeCache = 2048
	readCache  = 512
)

// readers is how many connections read at once; more wait.
const readers = 4

// A demand is a pragma that a connection must have, as SQLite reads it back.
type demand struct{ pragma, value string }

// demands returns what every connection must have. WAL with synchronous FULL
// makes a commit durable when it returns; fullfsync makes a flush reach the
// platter on macOS, and is ignored elsewhere. The caches are small because
// the agent lives in 64 MiB: hot pages are in the system's cache anyway.
func demands(cacheKiB int) []demand {
	return []demand{
		{"busy_timeout", "5000"},
		{"journal_mode", "wal"},
		{"synchronous", "2"},
		{"fullfsync", "1"},
		{"checkpoint_fullfsync", "1"},
		{"foreign_keys", "1"},
		{"temp_store", "2"}, // in memory: names do not leak into a temporary file
		{"trusted_schema", "0"},
		{"cache_size", fmt.Sprint(-cacheKiB)},
		{"journal_size_limit", fmt.Sprint(16 << 20)},
	}
}

// A connector opens connections to one database and proves that each is set
// up as demanded: SQLite ignores what it does not understand.
type connector struct {
	driver.Connector
	demands []demand
}

// pool returns a pool of connections to path, without opening any.
func pool(path string, cacheKiB, connections int, more string) (*sql.DB, error) {
	want := demands(cacheKiB)
	c, err := sqlite.NewConnector(uri(path, want) + more)
	if err != nil {
		return nil, fmt.Errorf("naming the database: %w", err)
	}
	db := sql.OpenDB(&connector{Connector: c, demands: want})
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns((connections + 1) / 2)
	return db, nil
}

// uri names path as SQLite's URI syntax wants it, so that no
// character of the path is taken for syntax.
func uri(path string, want []demand) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/data is /C:/data in a URI
	}
	var b strings.Builder
	b.WriteString("file://" + (&url.URL{Path: path}).EscapedPath())
	b.WriteString("?_txlock=immediate&_defensive=1&_dqs=0&_error_rc=1")
	for _, d := range want {
		b.WriteString("&_pragma=" + d.pragma + "(" + d.value + ")")
	}
	return b.String()
}

// Connect opens a connection and reads its pragmas back.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range c.demands {
		if err := confirm(ctx, conn, d); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

func confirm(ctx context.Context, conn driver.Conn, d demand) (err error) {
	q, ok := conn.(driver.QueryerContext)
	if !ok {
		return errors.New("the driver cannot query")
	}
	rows, err := q.QueryContext(ctx, "PRAGMA "+d.pragma, nil)
	if err != nil {
		return fmt.Errorf("reading pragma %s: %w", d.pragma, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	got := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(got); err != nil {
		return fmt.Errorf("reading pragma %s: %w", d.pragma, err)
	}
	if len(got) != 1 || fmt.Sprint(got[0]) != d.value {
		return fmt.Errorf("pragma %s is %v, must be %s: the file system or this build of SQLite does not support it",
			d.pragma, got, d.value)
	}
	return nil
}
