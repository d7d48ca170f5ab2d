-- What is compared and mirrored, and what came of it.
ALTER TABLE transfers ADD COLUMN compare TEXT NOT NULL DEFAULT '';
ALTER TABLE transfers ADD COLUMN mirror INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transfers ADD COLUMN most_files INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transfers ADD COLUMN most_percent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transfers ADD COLUMN same_items INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transfers ADD COLUMN same_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transfers ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE receipts ADD COLUMN same_items INTEGER NOT NULL DEFAULT 0;
ALTER TABLE receipts ADD COLUMN same_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE receipts ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;

-- What a mirror is about to remove, and how much it has removed before. A row
-- without a plan has nothing left to do.
CREATE TABLE removals (
	transfer INTEGER PRIMARY KEY REFERENCES transfers ON DELETE CASCADE,
	plan     BLOB NOT NULL,
	removed  INTEGER NOT NULL
) STRICT;
