-- A transfer is watched while commands may have to run on what it delivers.
CREATE TABLE watched (
	transfer INTEGER PRIMARY KEY REFERENCES transfers ON DELETE CASCADE
) STRICT;

-- What was COMMITTED of watched transfers, in the form of batches and
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
		SELECT batches.transfer, keys, old.names FROM batches JOIN watched USING (transfer) WHERE batch = old.batch;
END;

-- How far each command is that has begun: started, or ended and never to be
-- begun again.
CREATE TABLE exits (
	transfer INTEGER NOT NULL REFERENCES watched ON DELETE CASCADE,
	key      BLOB NOT NULL CHECK (length(key) = 16),
	ended    INTEGER NOT NULL,
	PRIMARY KEY (transfer, key)
) STRICT, WITHOUT ROWID;
