// Package filter is how transfers are chosen from the journal.
package filter

import (
	"encoding/binary"

	"mft.dev/mft"
)

// Transfers chooses transfers. Its zero value chooses all of them, in the
// order in which this host met them.
type Transfers struct {
	// States, Role, Peer, Channel and Run choose by equality where they are not
	// empty.
	States  []mft.State
	Role    mft.Role
	Peer    mft.AgentName
	Channel string
	Run     string
	// Source chooses those that have this source, Naming those in whose sources these
	// bytes are somewhere, Into those that land below a root with which this path begins,
	// and Named those of one file that gets this name. The caller looks more closely
	// at what comes back.
	Source, Naming, Into, Named string
	// Limit is how many transfers to return at most; 0 means all.
	Limit int
	// Newest returns the newest first.
	Newest bool
}

// Query returns the statement that lists columns of what f chooses.
func (f Transfers) Query(columns string) (query string, args []any) {
	query = "SELECT " + columns + " FROM transfers WHERE true"
	if len(f.States) > 0 {
		query += " AND state IN (?"
		for i, s := range f.States {
			if i > 0 {
				query += ",?"
			}
			args = append(args, string(s))
		}
		query += ")"
	}
	for _, c := range []struct{ condition, value string }{
		{"role = ?", string(f.Role)},
		{"peer = ?", string(f.Peer)},
		{"channel = ?", f.Channel},
		{"run = ?", f.Run},
	} {
		if c.value != "" {
			query += " AND " + c.condition
			args = append(args, c.value)
		}
	}
	for _, c := range []struct{ condition, bytes string }{
		{"instr(sources, ?) > 0", f.Naming},
		{"n IN (SELECT transfer FROM landings WHERE instr(?, root) = 1)", f.Into},
		{"n IN (SELECT transfer FROM landings WHERE name = ?)", f.Named},
	} {
		if c.bytes != "" {
			query += " AND " + c.condition
			args = append(args, []byte(c.bytes))
		}
	}
	if f.Source != "" { // as the journal writes lists
		query += " AND instr(sources, ?) > 0"
		args = append(args, append(binary.AppendUvarint(nil, uint64(len(f.Source))), f.Source...))
	}
	query += " ORDER BY n"
	if f.Newest {
		query += " DESC"
	}
	if f.Limit <= 0 {
		f.Limit = -1 // all
	}
	return query + " LIMIT ?", append(args, f.Limit)
}
