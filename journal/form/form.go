// Package form is the schema of the journal, in the steps that lead to it.
package form

import (
	_ "embed" // of the schema

	"mft.dev/mft/journal/database"
)

// applicationID marks a file as a journal of mft: "mftj".
const applicationID = 0x6d66746a

// schema1 is the first schema. A schema that was released is never edited;
// what changes is appended as a step of form.
//
// Identities: transfers.n is the order in which this host met the transfers
// and is what other tables refer to. Names and texts that come from file
// systems or peers are BLOB, since they need not be UTF-8. Times are
// nanoseconds since the Unix epoch, 0 for none.
//
//go:embed schema1.sql
var schema1 string

// schema2 adds what comparing and mirroring need.
//
//go:embed schema2.sql
var schema2 string

// schema3 adds when to compress.
//
//go:embed schema3.sql
var schema3 string

// schema4 adds what exits need.
//
//go:embed schema4.sql
var schema4 string

// schema5 adds runs of channels.
//
//go:embed schema5.sql
var schema5 string

// schema6 adds the record of runs, and orders about channels.
//
//go:embed schema6.sql
var schema6 string

// schema7 adds what leaves the source of a channel.
//
//go:embed schema7.sql
var schema7 string

// schema8 adds what transfers preserve.
//
//go:embed schema8.sql
var schema8 string

// Steps returns the steps that lead to the schema of this version.
func Steps() database.Form {
	return database.Form{ApplicationID: applicationID, Steps: []string{schema1, schema2, schema3, schema4, schema5, schema6, schema7, schema8}}
}
