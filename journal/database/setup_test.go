package database

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"mft.dev/mft"
)

func TestEveryConnectionIsAsDemanded(t *testing.T) {
	d := newDB(t)
	for name, pool := range map[string]*sql.DB{"reader": d.reader, "writer": d.writer.db} {
		conn := d.writer.conn
		if name == "reader" {
			var err error
			if conn, err = pool.Conn(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		for _, want := range demands(map[string]int{"reader": readCache, "writer": writeCache}[name]) {
			var got string
			if err := conn.QueryRowContext(t.Context(), "PRAGMA "+want.pragma).Scan(&got); err != nil || got != want.value {
				t.Errorf("%s: pragma %s = %s, %v; want %s", name, want.pragma, got, err, want.value)
			}
		}
	}
	if _, err := d.reader.ExecContext(t.Context(), "INSERT INTO names VALUES ('x')"); err == nil {
		t.Error("a reader can write")
	}
}

func TestConnectRefusesWhatIsNotAsDemanded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := pool(path, readCache, 1, "&_synchronous=NORMAL")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.PingContext(t.Context()); err == nil || !strings.Contains(err.Error(), "synchronous") {
		t.Errorf("a connection with synchronous NORMAL: %v", err)
	}
}

func TestMigrate(t *testing.T) {
	first, second := "CREATE TABLE a (x)", "CREATE TABLE b (x); INSERT INTO b VALUES (5)"
	tests := []struct {
		name        string
		steps, then []string
		says        string // of the error
		want        string // tables and version at the end
	}{
		{"from nothing", nil, []string{first, second}, "", "a b 2"},
		{"one step", []string{first}, []string{first, second}, "", "a b 2"},
		{"up to date", []string{first}, []string{"not run"}, "", "a 1"},
		{"a step fails", []string{first}, []string{first, second, "CREATE TABLE c (x); nonsense"}, "to version 3", "a 1"},
		{"newer", []string{first, second}, []string{first}, "newer", "a b 2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			for i, steps := range [][]string{test.steps, test.then} {
				if steps == nil {
					continue
				}
				d, err := Open(t.Context(), path, Form{ApplicationID: 42, Steps: steps})
				if bad := i == 1 && test.says != ""; bad != (err != nil) || bad && !strings.Contains(err.Error(), test.says) {
					t.Fatalf("Open with %d steps: %v, want %q", len(steps), err, test.says)
				}
				if err != nil {
					if mft.CodeOf(err) != mft.CodeJournal {
						t.Errorf("code of %v, want %s", err, mft.CodeJournal)
					}
					continue
				}
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if got := describe(t, path); got != test.want {
				t.Errorf("the database has %q, want %q", got, test.want)
			}
		})
	}
}

// describe lists the tables and the version of a database.
func describe(t *testing.T, path string) (s string) {
	t.Helper()
	db, err := pool(path, readCache, 1, "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.QueryRowContext(context.WithoutCancel(t.Context()), `SELECT
		(SELECT group_concat(name, ' ' ORDER BY name) FROM sqlite_schema) || ' ' || user_version FROM pragma_user_version`).Scan(&s)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
