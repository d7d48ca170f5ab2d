// Package exit is how a command of mft ends: the list of exit statuses, which
// of them an error or a transfer means, and the two lines that tell an error to
// a person.
//
// The package refuses to end the process: main does.
package exit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/cmd/mft/progress"
)

// A Status is what the process ends with.
type Status int

// The list of statuses; Meanings has the words.
const (
	OK           Status = 0
	Failed       Status = 1
	Usage        Status = 2
	NotRunning   Status = 3
	Rejected     Status = 4
	Cancelled    Status = 5
	Partial      Status = 6
	Config       Status = 7
	StillRunning Status = 8
	NoAnswer     Status = 9
)

// A Meaning is what one status tells.
type Meaning struct {
	Status Status
	Text   string
}

// Meanings is the list that people are shown: `mft help exit-status` and
// docs/commands.md print it.
func Meanings() []Meaning {
	return []Meaning{
		{OK, "everything that was asked for is done"},
		{Failed, "it failed; the message says why and what to do"},
		{Usage, "the command line cannot be understood"},
		{NotRunning, "no agent answers on the local socket"},
		{Rejected, "the peer refused the transfer"},
		{Cancelled, "the transfer was cancelled"},
		{Partial, "some of it was done: of several destinations or files at least one was not"},
		{Config, "a configuration or destinations file cannot be used"},
		{StillRunning, "the command ended first (Ctrl-C or a stopped agent); the transfer goes on"},
		{NoAnswer, "the agent did not answer; it may have taken the transfer that is named"},
	}
}

// An Ended is an error whose words have been printed already.
type Ended struct{ Status Status }

func (e Ended) Error() string { return fmt.Sprintf("exit status %d", e.Status) }

// Of returns what the process ends with after err.
func Of(err error) Status {
	var e Ended
	if errors.As(err, &e) {
		return e.Status
	}
	switch mft.CodeOf(err) {
	case mft.CodeOK:
		return OK
	case mft.CodeUsage, mft.CodeBadName:
		return Usage
	case mft.CodeNotRunning:
		return NotRunning
	case mft.CodeNoAnswer:
		return NoAnswer
	case mft.CodeCancelled:
		return Cancelled
	case mft.CodePartial:
		return Partial
	case mft.CodeConfig:
		return Config
	}
	return Failed
}

// OfTransfer returns what the process ends with for one transfer that
// it followed.
func OfTransfer(state mft.State, code mft.Code) Status {
	switch {
	case code == mft.CodePartial:
		return Partial
	case state == mft.StateDone:
		return OK
	case state == mft.StateRejected:
		return Rejected
	case state == mft.StateCancelled:
		return Cancelled
	case state.Terminal():
		return Failed
	}
	return StillRunning
}

// Together returns the one status for several destinations: partial as soon
// as they differ and anything was done.
func Together(each []Status) Status {
	if len(each) == 0 {
		return OK
	}
	all, some := each[0], false
	for _, s := range each {
		if s == OK || s == Partial {
			some = true
		}
		if s != all {
			all = Failed
		}
	}
	if all == Failed && some {
		return Partial
	}
	return all
}

// Misused returns an error of whoever typed the command.
func Misused(format string, args ...any) error {
	return mft.Fail(mft.CodeUsage, "", "", fmt.Errorf(format, args...))
}

// Complain prints err the way every error of mft is printed. What a peer said
// in it cannot command the terminal.
func Complain(w io.Writer, err error) {
	if errors.As(err, new(Ended)) || err == nil {
		return
	}
	var coded *mft.Error
	code := mft.CodeOf(err)
	text := err.Error()
	switch {
	case errors.Is(err, context.Canceled) && !errors.As(err, &coded):
		text, code = "interrupted [CANCELLED]", mft.CodeOK
	case !strings.HasSuffix(text, "["+string(code)+"]"):
		text += " [" + string(code) + "]"
	}
	fmt.Fprintf(w, "mft: %s\n", progress.Text(text))
	if remedy := code.Remedy(); remedy != "" {
		fmt.Fprintf(w, "remedy: %s\n", remedy)
	}
}

// Refused complains about err and returns its status.
func Refused(w io.Writer, err error) Status {
	Complain(w, err)
	return Of(err)
}
