-- When the sending host compresses what travels; '' is the default.
ALTER TABLE transfers ADD COLUMN compress TEXT NOT NULL DEFAULT '';
