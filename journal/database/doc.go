// Package database is one SQLite file that belongs to one process: locked
// against a second one, its connections proven to be set up for durability,
// its schema brought up to date, and written by group commit.
//
// Whoever writes gives [DB.Update] a function; functions that arrive while
// the disk is busy share the next transaction and its flush. Whoever reads
// uses [DB.Row] and [DB.Rows], which see what is committed and never wait for
// a writer.
//
// It knows nothing of what the tables mean, starts no goroutine of its own,
// and retries nothing: after a failure it rolls back, and throws away a
// connection that it cannot explain.
package database
