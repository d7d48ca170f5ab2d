package exits

import (
	"errors"
	"fmt"
	"os"

	"mft.dev/mft"
	"mft.dev/mft/agent/exits/process"
	"mft.dev/mft/agent/exits/rule"
)

// Check says whether these exits can run here, as an agent that is the user of
// this process. Notes are for the operator. The error has code CodeConfig.
func Check(list []mft.Exit) (notes []string, err error) {
	_, notes, err = check(list)
	return notes, err
}

func check(list []mft.Exit) (rules []*rule.Rule, notes []string, err error) {
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
		if _, err := process.Find(e.User, e.Group); err != nil {
			var cause *mft.Error
			if errors.As(err, &cause) && cause.Err != nil {
				err = cause.Err
			}
			return nil, nil, mft.Fail(mft.CodeConfig, "set up", name, fmt.Errorf("%s: %w", e.Run[0], err))
		}
		switch {
		case shared != nil && e.Umask != "":
			return nil, nil, mft.Fail(mft.CodeConfig, "set up", name, fmt.Errorf("umask: %w", shared))
		case shared != nil:
			notes = append(notes, fmt.Sprintf("%s: %s has the umask of the agent: %v", name, e.Run[0], shared))
		}
		if e.User == "" && os.Geteuid() == 0 {
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
