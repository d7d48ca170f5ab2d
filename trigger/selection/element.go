package selection

import (
	"errors"
	"fmt"
	"math/bits"
)

// A kind is what an element matches.
type kind uint8

const (
	literal kind = iota // one byte, that of the element
	oneOf               // one byte of a class
	star                // any number of bytes that are no slash
	stars               // any number of bytes
)

type element struct {
	kind  kind
	byte  byte
	class *class
}

// literals returns elements that match the text and nothing else.
func literals(text string) []element {
	out := make([]element, len(text))
	for i := range len(text) {
		out[i].byte = text[i]
	}
	return out
}

// parse reads a pattern that has wildcards.
func parse(text string) ([]element, error) {
	var out []element
	for i := 0; i < len(text); {
		c := text[i]
		i++
		e := element{byte: c}
		switch c {
		case '\\':
			if i == len(text) {
				return nil, errors.New("a backslash is the end of the pattern")
			}
			e.byte = text[i]
			i++
		case '?':
			e = element{kind: oneOf, class: new(class).inverse()}
		case '*':
			for e.kind = star; i < len(text) && text[i] == '*'; i++ {
				e.kind = stars
			}
		case '[':
			set, size, err := parseClass(text[i:])
			if err != nil {
				return nil, err
			}
			e = element{kind: oneOf, class: set}
			i += size
		}
		out = append(out, e)
	}
	return out, nil
}

// positions is the most that there are in a pattern: before each element, of which
// two may be put in front, and after the last.
const positions = maxPattern + 3

// A states is a set of positions in a list of elements.
type states [(positions + 63) / 64]uint64

// enter adds a position, and those that a star there makes possible at once.
func (s *states) enter(elements []element, at int) {
	for ; ; at++ {
		s[at/64] |= 1 << (at % 64)
		if at == len(elements) || elements[at].kind < star {
			return
		}
	}
}

// run reports whether elements match a text as a whole. It follows all ways at once,
// so that the time it takes is bounded by the product of both lengths.
func run(elements []element, text string) bool {
	var a, b states
	now, next := &a, &b
	words := len(elements)/64 + 1
	now.enter(elements, 0)
	for i := range len(text) {
		alive := false
		for w, set := range now[:words] {
			for ; set != 0; set &= set - 1 {
				at := w*64 + bits.TrailingZeros64(set)
				if at == len(elements) {
					continue
				}
				switch e := &elements[at]; {
				case e.kind >= star && e.matches(text[i]):
					next.enter(elements, at)
				case e.kind < star && e.matches(text[i]):
					next.enter(elements, at+1)
				default:
					continue
				}
				alive = true
			}
		}
		if !alive {
			return false
		}
		now, next = next, now
		clear(next[:words])
	}
	return now[words-1]>>(len(elements)%64)&1 == 1
}

func (e *element) matches(c byte) bool {
	switch e.kind {
	case literal:
		return c == e.byte
	case oneOf:
		return e.class.has(c)
	case star:
		return c != '/'
	}
	return true
}

// A class is a set of bytes without the slash.
type class [4]uint64

func (c *class) has(b byte) bool { return c[b/64]>>(b%64)&1 == 1 }

// add adds the bytes from one to another, of which there are none if the other is smaller.
func (c *class) add(from, to byte) {
	for b := int(from); b <= int(to); b++ {
		if b != '/' {
			c[b/64] |= 1 << (b % 64)
		}
	}
}

func (c *class) inverse() *class {
	for i := range c {
		c[i] = ^c[i]
	}
	c['/'/64] &^= 1 << ('/' % 64)
	return c
}

// named adds the bytes of a class of POSIX, of ASCII.
func (c *class) named(name string) error {
	spans := map[string]string{ // pairs of first and last
		"alnum": "azAZ09", "alpha": "azAZ", "blank": "  \t\t", "cntrl": "\x00\x1f\x7f\x7f", "digit": "09", "graph": "!~",
		"lower": "az", "print": " ~", "punct": "!/:@[`{~", "space": "  \t\r", "upper": "AZ", "xdigit": "09afAF",
	}[name]
	if spans == "" {
		return fmt.Errorf("there is no class [:%s:]", name)
	}
	for ; spans != ""; spans = spans[2:] {
		c.add(spans[0], spans[1])
	}
	return nil
}
