// Package journal is the durable record of one agent: its transfers, their
// events, what a receive has staged and committed, the sequence numbers that
// it signs, and those that it has seen from its peers. It is one SQLite file
// that belongs to one agent at a time.
//
// Writing is one function, [Journal.Update]: everything that must be true
// together is written in one call, and is on stable storage when the call
// returns. Concurrent calls share one flush, so the price of durability is
// paid once for all of them. Reading goes through the methods of [Journal];
// readers see what is committed and never wait for a writer.
//
//	err := j.Update(ctx, func(tx *journal.Tx) error {
//		if err := tx.Witness(offer.Sender, keyID, sequence); err != nil {
//			return err
//		}
//		return tx.Create(transfer)
//	})
//
// An error of a [Tx] method whose code is neither CodeJournal nor CodeNoSpace
// is an answer (the transfer exists, the sequence was seen): the method has
// changed nothing, and the function may go on. After CodeJournal or
// CodeNoSpace the whole function is undone whatever it returns.
//
// The journal decides nothing. It refuses transitions that mft.State forbids
// and sequences that it has seen; it never looks at a clock, starts no
// goroutine, retries nothing and touches no file but its own three
// (the database and its -wal and -shm) and the lock beside them. Names of
// files go in and come out as the bytes they are.
package journal
