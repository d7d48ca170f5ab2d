-- preserve is what a transfer keeps of files besides content, mode, times and owner: a set
-- of bits, those of mft.Preserve.
ALTER TABLE transfers ADD COLUMN preserve INTEGER NOT NULL DEFAULT 0;
