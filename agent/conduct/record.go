package conduct

import (
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/runs"
	"mft.dev/mft/trigger/firing"
)

// tellBegun returns what writes that a run has begun.
func (x *Conductor) tellBegun(s firing.State, files int) func(tx *journal.Tx) error {
	told := x.event(mft.EventRunBegun, "", fmt.Sprintf("%s, because of %v; files to send: %d", s.Run, s.Serves, files))
	r := runs.Run{ID: s.Run, Channel: x.Channel.Name, Orders: x.taken, Began: x.Now()}
	for _, c := range s.Serves {
		r.Causes = append(r.Causes, string(c))
	}
	return func(tx *journal.Tx) error {
		if err := tx.BeginRun(r); err != nil {
			return err
		}
		return told(tx)
	}
}

// tellEnded returns what writes how a run ended.
func (x *Conductor) tellEnded(run string, how firing.Outcome, moved mft.Count, why mft.Reason) func(tx *journal.Tx) error {
	detail := fmt.Sprintf("%s: %s", run, how)
	if why.Detail != "" {
		detail += ": " + why.Detail
	}
	told := x.event(mft.EventRunEnded, why.Code, detail)
	r := runs.Run{ID: run, Ended: x.Now(), Outcome: string(how), Moved: moved, Code: why.Code, Detail: why.Detail}
	return func(tx *journal.Tx) error {
		if err := tx.EndRun(r); err != nil {
			return err
		}
		return told(tx)
	}
}
