package rule

import (
	"errors"
	"fmt"
	"strings"
)

// maxCommand bounds a command in bytes, and maxArgs its arguments.
const (
	maxCommand = 32 << 10
	maxArgs    = 256
)

// Split takes a command line apart into program and arguments by the quoting
// rules of a POSIX shell: blanks separate, '…' is literal, in "…" a backslash
// escapes " \ $ and `. It is for configurations that write a command as one
// text; it happens once, before any variable has a value.
//
// Nothing else of a shell is there. Text that would mean something to one is an
// error that says why and what to do: operators, substitution, variables,
// patterns, assignments, comments.
func Split(command string) ([]string, error) {
	if len(command) > maxCommand {
		return nil, fmt.Errorf("the command is longer than %d bytes", maxCommand)
	}
	s := splitter{rest: command}
	for s.rest != "" {
		if err := s.next(); err != nil {
			return nil, err
		}
	}
	s.end()
	switch {
	case len(s.args) == 0:
		return nil, errors.New("the command is empty")
	case len(s.args) > maxArgs:
		return nil, fmt.Errorf("the command has more than %d arguments", maxArgs)
	}
	return s.args, nil
}

type splitter struct {
	rest string
	args []string
	word strings.Builder
	open bool // word is an argument, even an empty one
}

func (s *splitter) end() {
	if s.open {
		s.args = append(s.args, s.word.String())
	}
	s.word.Reset()
	s.open = false
}

func (s *splitter) add(text string) {
	s.word.WriteString(text)
	s.open = true
}

// next takes one character, or one quoted text.
func (s *splitter) next() error {
	c := s.rest[0]
	if c == 0 {
		return errors.New("the command has a NUL byte")
	}
	if why := s.special(c); why != "" {
		return noShell(s.rest, why)
	}
	s.rest = s.rest[1:]
	switch c {
	case ' ', '\t':
		s.end()
	case '\'':
		text, rest, closed := strings.Cut(s.rest, "'")
		if !closed {
			return errors.New("a single quote is not closed")
		}
		if strings.ContainsRune(text, 0) {
			return errors.New("the command has a NUL byte")
		}
		s.add(text)
		s.rest = rest
	case '"':
		return s.double()
	case '\\':
		return s.escaped()
	default:
		s.add(string([]byte{c}))
	}
	return nil
}

// special says what a shell would do with c where it stands; "" for nothing.
func (s *splitter) special(c byte) string {
	switch c {
	case '|':
		return "joins commands"
	case ';', '&', '\n', '\r':
		return "separates commands"
	case '<', '>':
		return "redirects input or output"
	case '$', '`':
		return "substitutes a variable or the output of a command"
	case '(', ')':
		return "groups commands"
	case '*', '?', '[':
		return "is a pattern of file names"
	case '~':
		if !s.open {
			return "is a home directory"
		}
	case '#':
		if !s.open {
			return "begins a comment"
		}
	case '=':
		if len(s.args) == 0 {
			return "sets a variable"
		}
	}
	return ""
}

func (s *splitter) double() error {
	s.open = true
	for s.rest != "" {
		c := s.rest[0]
		switch {
		case c == 0:
			return errors.New("the command has a NUL byte")
		case c == '$' || c == '`':
			return noShell(s.rest, "substitutes a variable or the output of a command, in double quotes too")
		case c == '"':
			s.rest = s.rest[1:]
			return nil
		case c == '\\' && len(s.rest) > 1 && strings.IndexByte("\"\\$`", s.rest[1]) >= 0:
			s.rest = s.rest[1:]
			c = s.rest[0]
		}
		s.word.WriteByte(c)
		s.rest = s.rest[1:]
	}
	return errors.New("a double quote is not closed")
}

// escaped takes the character after a backslash. Before an ordinary one a shell
// would drop the backslash, which nobody means who writes one there.
func (s *splitter) escaped() error {
	if s.rest == "" {
		return errors.New("the command ends in a backslash")
	}
	c := s.rest[0]
	if c == 0 || c == '\n' || c == '\r' || strings.IndexByte(" \t'\"\\|;&<>$`()*?[]~#={}!", c) < 0 {
		return fmt.Errorf("a backslash before %q has no meaning; put a path that has backslashes into single quotes", c)
	}
	s.add(string([]byte{c}))
	s.rest = s.rest[1:]
	return nil
}

func noShell(at, why string) error {
	part := at
	if len(part) > 20 {
		part = part[:20] + "…"
	}
	return fmt.Errorf("%q: in a shell %q %s, but no shell reads this: quote it if it is meant as it stands, "+
		"else put the commands into a script and run that with {fullFilePath} as its argument", part, at[:1], why)
}
