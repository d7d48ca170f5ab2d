package selection

import (
	"errors"
	"strings"
)

// parseClass reads what follows an open bracket and returns how long it is, with the
// bracket that closes it.
func parseClass(text string) (*class, int, error) {
	set, i, inverse := new(class), 0, false
	if text != "" && (text[0] == '!' || text[0] == '^') {
		i, inverse = 1, true
	}
	low := -1 // what a range may begin with
	for begin := i; i == begin || text[i] != ']'; {
		size, next, err := set.addItem(text[i:], low)
		if err != nil {
			return nil, 0, err
		}
		if i, low = i+size, next; i >= len(text) {
			return nil, 0, errOpen()
		}
	}
	if inverse {
		set.inverse()
	}
	return set, i + 1, nil
}

func errOpen() error { return errors.New("a bracket is not closed") }

// addItem adds one byte, range or named class and returns how long it is, and the
// byte that a range may begin with, if any.
func (c *class) addItem(text string, low int) (size, next int, err error) {
	if text == "" {
		return 0, 0, errOpen()
	}
	if text[0] == '-' && low >= 0 && len(text) > 1 && text[1] != ']' {
		b, n, err := one(text[1:])
		if err == nil {
			c.add(byte(low), b)
		}
		return n + 1, -1, err
	}
	if rest, ok := strings.CutPrefix(text, "[:"); ok {
		name, _, closed := strings.Cut(rest, "]")
		if !closed {
			return 0, 0, errOpen()
		}
		if name, named := strings.CutSuffix(name, ":"); named {
			return len("[:") + len(name) + len(":]"), -1, c.named(name)
		}
	}
	if text[0] == '[' {
		c.add('[', '[')
		return 1, '[', nil
	}
	b, n, err := one(text)
	c.add(b, b)
	return n, int(b), err
}

// one reads a byte of a class, which a backslash may come before.
func one(text string) (b byte, size int, err error) {
	size = 1
	if text[0] == '\\' {
		size = 2
	}
	switch {
	case size > len(text):
		return 0, size, errOpen()
	case text[size-1] == '/':
		return 0, size, errors.New("no class matches a slash")
	}
	return text[size-1], size, nil
}
