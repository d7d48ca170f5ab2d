package selection

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"mft.dev/mft"
)

// A Selection decides which entries of a tree move. The zero value moves everything
// but what mft puts aside.
type Selection struct {
	Rules  Rules
	Limits Limits
	// Symlinks is for Choose only.
	Symlinks mft.Symlinks
}

// Limits are of size, in bytes, and age, which is the time since a file was last
// modified. A file that is just as large or old as a limit is within it. Zero is no
// limit. The age of a file from the future is negative, so it is younger than any
// MinAge.
type Limits struct {
	MinSize, MaxSize int64
	MinAge, MaxAge   time.Duration
}

// Check returns an error with code CodeConfig if a limit is negative, or no file can
// be within both limits.
func (l Limits) Check() error {
	var err error
	switch {
	case l.MinSize < 0 || l.MaxSize < 0 || l.MinAge < 0 || l.MaxAge < 0:
		err = errors.New("a limit is negative")
	case l.MaxSize != 0 && l.MinSize > l.MaxSize:
		err = fmt.Errorf("no file has at least %d and at most %d bytes", l.MinSize, l.MaxSize)
	case l.MaxAge != 0 && l.MinAge > l.MaxAge:
		err = fmt.Errorf("no file is at least %v and at most %v old", l.MinAge, l.MaxAge)
	}
	if err != nil {
		return mft.Fail(mft.CodeConfig, "read limits", "", err)
	}
	return nil
}

// An Entry is something in the tree. What never travels, such as a socket, is not
// told apart from a symbolic link; to leave it out is up to the scan.
type Entry struct {
	// Path is slash-separated below the channel's root and made of opaque bytes.
	// It has no component "", "." or "..". It is empty for the root itself, which
	// always moves.
	Path  string
	Type  mft.ItemType
	Size  int64 // of a file, in bytes
	MTime int64 // nanoseconds since the Unix epoch
}

// A Reason is what a decision follows from.
type Reason uint8

// The reasons.
const (
	NoRule   Reason = iota // no rule matches, so it moves
	ByRule                 // the first rule that matches says so
	Aside                  // a transfer of mft puts it aside
	TooSmall               // Limits.MinSize
	TooLarge               // Limits.MaxSize
	TooYoung               // Limits.MinAge
	TooOld                 // Limits.MaxAge
)

// String returns the reason as the end of a sentence about an entry.
func (r Reason) String() string {
	switch r {
	case NoRule:
		return "no rule matches"
	case ByRule:
		return "a rule matches"
	case Aside:
		return "a transfer puts it aside"
	case TooSmall:
		return "it is smaller than the limit"
	case TooLarge:
		return "it is larger than the limit"
	case TooYoung:
		return "it is younger than the limit"
	case TooOld:
		return "it is older than the limit"
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// A Decision says whether an entry moves, and why.
type Decision struct {
	Moves  bool
	Reason Reason
	// Path is that of the entry, or, with Above, of the directory above it that is
	// not entered.
	Path  string
	Above bool
	// Number and Rule are those of the rule that decided, with ByRule: its line in
	// a text or its place in a list, from 1, and what it says.
	Number int
	Rule   string
}

// String returns the decision as a line for people.
func (d Decision) String() string {
	line := "stays: "
	if d.Moves {
		line = "moves: "
	}
	if d.Reason == ByRule {
		line += fmt.Sprintf("rule %d, %q", d.Number, d.Rule)
	} else {
		line += d.Reason.String()
	}
	if d.Above {
		line += fmt.Sprintf(", so nothing below %q moves", d.Path)
	}
	return line
}

// Decide says whether an entry moves, asking for each directory above it first,
// from the top. It is for an entry alone; for a scan there is DecideEntered.
func (s *Selection) Decide(e Entry, now time.Time) Decision {
	for at := range len(e.Path) {
		if e.Path[at] != '/' {
			continue
		}
		if d := s.DecideEntered(Entry{Path: e.Path[:at], Type: mft.ItemDir}, now); !d.Moves {
			d.Above = true
			return d
		}
	}
	return s.DecideEntered(e, now)
}

// DecideEntered says whether an entry of a directory moves that was entered, because
// DecideEntered or Descend said so of it and of all above. A directory that does not
// move must not be entered.
func (s *Selection) DecideEntered(e Entry, now time.Time) Decision {
	d := Decision{Moves: true, Path: e.Path}
	if e.Path == "" {
		return d
	}
	if aside(e.Path) {
		d.Moves, d.Reason = false, Aside
		return d
	}
	if r := s.Rules.first(e.Path, e.Type == mft.ItemDir); r != nil {
		d.Moves, d.Reason, d.Number, d.Rule = r.include, ByRule, r.number, r.text
	}
	if reason, out := s.Limits.exceeded(e, now); d.Moves && out {
		return Decision{Reason: reason, Path: e.Path}
	}
	return d
}

// Descend reports whether a scan that has entered the directory above enters the
// one at path. The answer is that of DecideEntered.
func (s *Selection) Descend(path string) bool {
	return s.DecideEntered(Entry{Path: path, Type: mft.ItemDir}, time.Time{}).Moves
}

func (l Limits) exceeded(e Entry, now time.Time) (Reason, bool) {
	if e.Type != mft.ItemFile {
		return 0, false
	}
	switch {
	case e.Size < l.MinSize:
		return TooSmall, true
	case l.MaxSize != 0 && e.Size > l.MaxSize:
		return TooLarge, true
	case l.MinAge == 0 && l.MaxAge == 0:
		return 0, false
	}
	switch age := now.Sub(time.Unix(0, e.MTime)); {
	case l.MinAge != 0 && age < l.MinAge:
		return TooYoung, true
	case l.MaxAge != 0 && age > l.MaxAge:
		return TooOld, true
	}
	return 0, false
}

// aside reports whether the last component of path is a name that mft gives to what
// is not complete.
func aside(path string) bool {
	name := path[strings.LastIndexByte(path, '/')+1:]
	return strings.HasPrefix(name, ".mft-") && strings.HasSuffix(name, ".part")
}
