-- The newest runs of each channel. ended is 0 while one is under way; orders is how
-- many orders of operators to run the channel had been taken up when it began.
CREATE TABLE runs (
	n       INTEGER PRIMARY KEY,
	id      TEXT NOT NULL UNIQUE,
	channel TEXT NOT NULL,
	causes  TEXT NOT NULL,
	orders  INTEGER NOT NULL,
	began   INTEGER NOT NULL,
	ended   INTEGER NOT NULL,
	outcome TEXT NOT NULL,
	files   INTEGER NOT NULL,
	bytes   INTEGER NOT NULL,
	code    TEXT NOT NULL,
	detail  BLOB NOT NULL
) STRICT;
CREATE INDEX runs_channel ON runs (channel, n);

-- What operators have ordered of a channel, as JSON.
ALTER TABLE channels ADD COLUMN orders BLOB NOT NULL DEFAULT x'';
