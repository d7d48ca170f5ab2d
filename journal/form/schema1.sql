CREATE TABLE transfers (
	n           INTEGER PRIMARY KEY,
	id          BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
	role        TEXT NOT NULL,
	peer        TEXT NOT NULL,
	channel     TEXT NOT NULL,
	state       TEXT NOT NULL,
	code        TEXT NOT NULL,
	detail      BLOB NOT NULL,
	sources     BLOB NOT NULL,
	destination BLOB NOT NULL,
	overwrite   TEXT NOT NULL,
	requested   INTEGER NOT NULL,
	total_items INTEGER NOT NULL,
	total_bytes INTEGER NOT NULL,
	moved_items INTEGER NOT NULL,
	moved_bytes INTEGER NOT NULL,
	created     INTEGER NOT NULL,
	updated     INTEGER NOT NULL,
	attempts    INTEGER NOT NULL
) STRICT;
CREATE INDEX transfers_state ON transfers (state);
CREATE INDEX transfers_ended ON transfers (updated)
	WHERE state IN ('done', 'rejected', 'failed', 'cancelled');

-- seq has no gaps because SQLite gives a new row the largest seq plus one,
-- and the newest event is never deleted. loose marks events whose transfer is
-- none or unknown; they go by their age.
CREATE TABLE events (
	seq      INTEGER PRIMARY KEY,
	at       INTEGER NOT NULL,
	kind     TEXT NOT NULL,
	transfer BLOB,
	channel  TEXT NOT NULL,
	peer     TEXT NOT NULL,
	code     TEXT NOT NULL,
	detail   BLOB NOT NULL,
	loose    INTEGER NOT NULL
) STRICT;
CREATE INDEX events_transfer ON events (transfer) WHERE transfer IS NOT NULL;
CREATE INDEX events_loose ON events (at) WHERE loose = 1;

-- The highest seq that was ever dropped.
CREATE TABLE forgotten (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL) STRICT;
INSERT INTO forgotten VALUES (1, 0);

-- Sequences that this host signed, and those that it saw: whatever is not
-- above the floor was seen. witnessed and floor hold a uint64 less 2^63, so
-- that its order is that of INTEGER.
CREATE TABLE sequences (recipient TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE senders (
	sender TEXT PRIMARY KEY,
	floor  INTEGER NOT NULL,
	kept   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE witnessed (
	sender   TEXT NOT NULL,
	sequence INTEGER NOT NULL,
	PRIMARY KEY (sender, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE landings (
	transfer INTEGER PRIMARY KEY REFERENCES transfers ON DELETE CASCADE,
	root     BLOB NOT NULL,
	dir      BLOB NOT NULL,
	name     BLOB NOT NULL,
	set_id   INTEGER NOT NULL
) STRICT;
CREATE TABLE staging (
	n        INTEGER PRIMARY KEY,
	transfer INTEGER NOT NULL REFERENCES transfers ON DELETE CASCADE,
	dir      BLOB NOT NULL,
	UNIQUE (transfer, dir)
) STRICT;
CREATE TABLE partials (
	transfer INTEGER NOT NULL REFERENCES transfers ON DELETE CASCADE,
	key      BLOB NOT NULL CHECK (length(key) = 16),
	temp     BLOB NOT NULL,
	position INTEGER NOT NULL,
	PRIMARY KEY (transfer, key)
) STRICT, WITHOUT ROWID;

-- A batch is PREPARED while it has a row in prepared, COMMITTED after. keys
-- is what a commit keeps: 16 bytes of key and 32 of digest for each entry.
-- Committing writes no blob anew, it only deletes the names.
CREATE TABLE batches (
	batch    INTEGER PRIMARY KEY AUTOINCREMENT,
	transfer INTEGER NOT NULL REFERENCES transfers ON DELETE CASCADE,
	keys     BLOB NOT NULL CHECK (length(keys) % 48 = 0)
) STRICT;
CREATE INDEX batches_transfer ON batches (transfer);
CREATE TABLE prepared (
	batch INTEGER PRIMARY KEY REFERENCES batches ON DELETE CASCADE,
	names BLOB NOT NULL
) STRICT;

CREATE TABLE receipts (
	transfer INTEGER PRIMARY KEY REFERENCES transfers ON DELETE CASCADE,
	named    BLOB NOT NULL CHECK (length(named) = 16),
	code     TEXT NOT NULL,
	detail   BLOB NOT NULL,
	items    INTEGER NOT NULL,
	bytes    INTEGER NOT NULL,
	failed   INTEGER NOT NULL,
	manifest BLOB NOT NULL CHECK (length(manifest) = 32),
	envelope BLOB NOT NULL
) STRICT;

CREATE TABLE sent (
	channel  TEXT NOT NULL,
	path     BLOB NOT NULL,
	size     INTEGER NOT NULL,
	mtime    INTEGER NOT NULL,
	ctime    INTEGER NOT NULL,
	inode    INTEGER NOT NULL,
	transfer BLOB NOT NULL CHECK (length(transfer) = 16),
	at       INTEGER NOT NULL,
	PRIMARY KEY (channel, path)
) STRICT, WITHOUT ROWID;
