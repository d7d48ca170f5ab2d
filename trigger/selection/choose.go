package selection

import (
	"errors"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
)

// A Choose says whether what is at a path below the top of a tree belongs to the source.
type Choose func(path string, id *confine.Identity) Choice

// A Choice is what becomes of something that is in a tree.
type Choice uint8

// The choices.
const (
	Taken Choice = iota
	// Out is passed over, as if it were not there: whoever receives the rest knows why.
	Out
	// Kept does not travel, and what a destination has of its name stays.
	Kept
	// Refused is an error, and what a destination has of its name stays.
	Refused
)

// Choose chooses by a selection: what its rules leave out is Out, what its limits do is
// Kept, as rsync has it, and so is a link that is skipped. The age of files is that at a moment.
func (s *Selection) Choose(now time.Time) Choose {
	return func(path string, id *confine.Identity) Choice {
		d := s.DecideEntered(Entry{Path: path, Type: typeOf(id.IsDir(), id.IsRegular()), Size: id.Size, MTime: id.MTime}, now)
		switch {
		case d.Moves && id.IsSymlink() && s.Symlinks == mft.SymlinksSkip:
			return Kept
		case d.Moves && id.IsSymlink() && s.Symlinks == mft.SymlinksRefuse:
			return Refused
		case d.Moves:
			return Taken
		case d.Reason == ByRule, d.Reason == Aside:
			return Out
		}
		return Kept
	}
}

func typeOf(dir, regular bool) mft.ItemType {
	switch {
	case dir:
		return mft.ItemDir
	case regular:
		return mft.ItemFile
	}
	return mft.ItemSymlink
}

// ErrKept is the error of an entry that is [Kept], ErrOut of one that is [Out].
var (
	ErrKept = errors.New("it is not chosen")
	ErrOut  = errors.New("it does not belong to the source")
)

// Leaves returns what says of a path at a destination, from the top down, whether the
// rules leave it; nil for no rules. Errors are those of Parse.
func Leaves(list []string) (func(path string, dir bool) bool, error) {
	if len(list) == 0 {
		return nil, nil
	}
	rules, err := Parse(list)
	if err != nil {
		return nil, err
	}
	s := Selection{Rules: rules}
	return func(path string, dir bool) bool {
		return !s.DecideEntered(Entry{Path: path, Type: typeOf(dir, !dir)}, time.Time{}).Moves
	}, nil
}
