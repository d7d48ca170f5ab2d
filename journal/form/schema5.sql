-- run is the run of a channel that a transfer belongs to, empty for none.
ALTER TABLE transfers ADD COLUMN run TEXT NOT NULL DEFAULT '';
CREATE INDEX transfers_run ON transfers (run) WHERE run <> '';

-- What package firing has to know of a channel after a crash, as JSON.
CREATE TABLE channels (
	name  TEXT PRIMARY KEY,
	state BLOB NOT NULL
) STRICT, WITHOUT ROWID;
