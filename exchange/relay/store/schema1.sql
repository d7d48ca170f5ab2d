-- Times are nanoseconds: those called "at" and "until" by the clock of the relay
-- (clock.go), those called "wall" since the Unix epoch.
CREATE TABLE clock (
	one   INTEGER PRIMARY KEY CHECK (one = 1),
	ran   INTEGER NOT NULL
) STRICT;
INSERT INTO clock VALUES (1, 0);

CREATE TABLE letters (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,
	recipient TEXT NOT NULL,
	sender    TEXT NOT NULL,
	body      BLOB NOT NULL,
	at        INTEGER NOT NULL,           -- when it was put
	until     INTEGER NOT NULL DEFAULT 0, -- hidden until then
	claim     TEXT NOT NULL DEFAULT '',
	taken     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX letters_to ON letters (recipient, until);
CREATE INDEX letters_of ON letters (sender);

-- blocks is 0 while the object is not published. The content of block n of object
-- o is the file o/n-file below objects/: a file is never written again, and which
-- one counts says this table.
CREATE TABLE objects (
	id     INTEGER PRIMARY KEY AUTOINCREMENT,
	owner  TEXT NOT NULL,
	name   TEXT NOT NULL,
	blocks INTEGER NOT NULL DEFAULT 0,
	block  INTEGER NOT NULL DEFAULT 0, -- bytes of each block but the last, once published
	size   INTEGER NOT NULL DEFAULT 0, -- bytes of all blocks that are kept
	at     INTEGER NOT NULL,           -- last written or read
	wall   INTEGER NOT NULL,           -- last written
	UNIQUE (owner, name)
) STRICT;

CREATE TABLE blocks (
	object INTEGER NOT NULL REFERENCES objects ON DELETE CASCADE,
	number INTEGER NOT NULL,
	size   INTEGER NOT NULL,
	file   TEXT NOT NULL,
	PRIMARY KEY (object, number)
) STRICT, WITHOUT ROWID;

-- A grant outlives its object, so that who reads is told which of them is gone.
CREATE TABLE grants (
	token  BLOB PRIMARY KEY, -- SHA-256 of what the reader shows
	object INTEGER NOT NULL,
	until  INTEGER NOT NULL,
	wall   INTEGER NOT NULL  -- ends then too
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_of ON grants (object, until);
CREATE INDEX grants_end ON grants (until);

CREATE TABLE statements (
	n     INTEGER PRIMARY KEY AUTOINCREMENT,
	owner TEXT NOT NULL,
	id    TEXT NOT NULL,
	body  BLOB NOT NULL,
	UNIQUE (owner, id)
) STRICT;
