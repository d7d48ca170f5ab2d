package journal

import "context"

// Channel returns what SetChannel has kept of a channel, nothing at first.
func (j *Journal) Channel(ctx context.Context, name string) (state []byte, err error) {
	_, err = j.db.Row(ctx, "reading the state of a channel", "SELECT state FROM channels WHERE name = ?", []any{name}, &state)
	return state, err
}

// SetChannel keeps the state of a channel in place of the one before.
func (tx *Tx) SetChannel(name string, state []byte) error {
	_, err := tx.db.Exec("keep the state of a channel", `INSERT INTO channels (name, state) VALUES (?1, ?2)
		ON CONFLICT (name) DO UPDATE SET state = ?2`, name, state)
	return err
}

// ForgetSent forgets that a channel sent anything from path.
func (tx *Tx) ForgetSent(channel, path string) error {
	_, err := tx.db.Exec("forget what a channel sent", "DELETE FROM sent WHERE channel = ? AND path = ?", channel, blob(path))
	return err
}
