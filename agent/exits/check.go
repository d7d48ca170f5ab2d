package exits

import (
	"errors"
	"fmt"
	"os"

	"mft.dev/mft"
	"mft.dev/mft/agent/exits/process"
	"mft.dev/mft/agent/exits/rule"
	"mft.dev/mft/agent/seat"
)

// Check says whether these exits can run here: as an agent that is the user of this
// process, or, where a supervisor starts the agent as user, as whoever they name. Notes are
// for the operator. The error has code CodeConfig.
func Check(list []mft.Exit, user string) (notes []string, err error) {
	_, notes, err = check(list, user)
	return notes, err
}

// found says why an exit cannot run as whom it names. User is that of an agent that has a
// supervisor, or "".
func found(e *mft.Exit, user string) error {
	var err error
	if user != "" {
		_, err = seat.UserOf(seat.ExitAs(e, user))
	} else {
		_, err = process.Find(e.User, e.Group)
	}
	if cause := (*mft.Error)(nil); errors.As(err, &cause) && cause.Err != nil {
		err = cause.Err
	}
	return err
}

func check(list []mft.Exit, user string) (rules []*rule.Rule, notes []string, err error) {
	var shared error // why a umask cannot be set
	if len(list) > 0 {
		shared = process.OwnUmask()
	}
	for i, e := range list {
		name := fmt.Sprintf("exits[%d]", i)
		r, _, err := rule.Compile(e)
		if err != nil {
			return nil, nil, mft.Fail(mft.CodeConfig, "set up", name, err)
		}
		rules = append(rules, r)
		e = r.Exit()
		if err := found(&e, user); err != nil {
			return nil, nil, mft.Fail(mft.CodeConfig, "set up", name, fmt.Errorf("%s: %w", e.Run[0], err))
		}
		switch {
		case shared != nil && e.Umask != "":
			return nil, nil, mft.Fail(mft.CodeConfig, "set up", name, fmt.Errorf("umask: %w", shared))
		case shared != nil:
			notes = append(notes, fmt.Sprintf("%s: %s has the umask of the agent: %v", name, e.Run[0], shared))
		}
		if e.User == "" && user == "" && os.Geteuid() == 0 {
			notes = append(notes, fmt.Sprintf("%s: %s runs as root; name a user for it", name, e.Run[0]))
		}
		if err := process.Runnable(e.Run[0]); err != nil {
			notes = append(notes, fmt.Sprintf("%s: %v", name, err))
		}
		if fi, err := os.Stat(e.Directory); err != nil || !fi.IsDir() {
			notes = append(notes, fmt.Sprintf("%s: there is no directory %s", name, e.Directory))
		}
	}
	return rules, notes, nil
}
