-- A transfer is watched while commands may have to run because of it; listed
-- says that they concern its files.
CREATE TABLE watched (
	transfer INTEGER PRIMARY KEY REFERENCES transfers ON DELETE CASCADE,
	listed   INTEGER NOT NULL
) STRICT;

-- What was COMMITTED of watched transfers that are listed, in the form of batches and
-- prepared, which let go of the names with the commit and of the keys with the
-- end of the transfer.
CREATE TABLE deliveries (
	n        INTEGER PRIMARY KEY AUTOINCREMENT,
	transfer INTEGER NOT NULL REFERENCES watched ON DELETE CASCADE,
	keys     BLOB NOT NULL,
	names    BLOB NOT NULL
) STRICT;
CREATE INDEX deliveries_transfer ON deliveries (transfer);

-- A batch that is dropped is gone from batches before its names are, so only
-- a commit is kept.
CREATE TRIGGER keep_delivered BEFORE DELETE ON prepared BEGIN
	INSERT INTO deliveries (transfer, keys, names)
		SELECT batches.transfer, keys, old.names FROM batches JOIN watched USING (transfer)
		WHERE batch = old.batch AND listed;
END;

-- The commands that have begun, all of them while the transfer is watched,
-- later those that people may want to see. ended is 0 for one that runs, or was
-- interrupted, or is to be run again.
CREATE TABLE exits (
	n        INTEGER PRIMARY KEY,
	transfer INTEGER NOT NULL REFERENCES transfers ON DELETE CASCADE,
	key      BLOB NOT NULL CHECK (length(key) = 16),
	phase    TEXT NOT NULL,
	path     BLOB NOT NULL,
	command  BLOB NOT NULL,
	running  INTEGER NOT NULL,
	ended    INTEGER NOT NULL,
	runs     INTEGER NOT NULL,
	failures INTEGER NOT NULL,
	status   INTEGER NOT NULL,
	code     TEXT NOT NULL,
	detail   BLOB NOT NULL,
	output   BLOB NOT NULL,
	at       INTEGER NOT NULL,
	UNIQUE (transfer, key)
) STRICT;
