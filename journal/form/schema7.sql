-- What leaves the source of a channel when every destination has it. A portion is the
-- transfers of the same files, one for each of its ends; files are those that a transfer
-- has read, empty before it has.
CREATE TABLE leaving (
	transfer INTEGER PRIMARY KEY REFERENCES transfers (n) ON DELETE CASCADE,
	portion  BLOB NOT NULL,
	channel  TEXT NOT NULL,
	ends     INTEGER NOT NULL,
	files    BLOB NOT NULL
) STRICT;
CREATE INDEX leaving_portion ON leaving (channel, portion);
