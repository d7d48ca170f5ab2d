package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxMistakes bounds what is reported of one file.
const maxMistakes = 50

// A Leaf is a value that reads itself from the text of one scalar. The error
// says what would do; it does not repeat the text, which may be a secret.
type Leaf interface {
	ReadText(text string) error
	// Schema describes the text as a JSON Schema.
	Schema() map[string]any
}

// A Short is a section that can also be written as one scalar.
type Short interface {
	ReadShort(text string) error
	// ShortSchema describes the scalar as a JSON Schema.
	ShortSchema() map[string]any
}

// A Whole is a section that is right only as a whole. Check is called when all
// keys of it could be read.
type Whole interface{ Check() error }

// A Lone is a list that can also be written as its only entry.
type Lone interface{ Lone() }

// NotYet is the type of a key that means something in a later version. That
// it is refused keeps people from believing that it acts.
type NotYet struct{}

// Unused is the type of a key that is read over, whatever stands there, and
// reported by Decoder.Overlooked.
type Unused struct{}

// Place is where a section lies in the file. A section that embeds it learns
// its own, for mistakes that only show when the file is seen as a whole. Line
// is 0 in a section that the file does not have.
type Place struct {
	Line int
	Key  string
}

func (p *Place) place() *Place { return p }

type placed interface{ place() *Place }

// A Decoder fills sections and collects what does not fit instead of stopping
// at it. The zero value is ready; it is for one file.
type Decoder struct {
	mistakes   Mistakes
	overlooked []Mistake
}

// Decode fills *v, a section or list, from n, which Parse returned.
func (d *Decoder) Decode(n *yaml.Node, v any) {
	d.value(n, reflect.ValueOf(v).Elem(), "")
}

// Mistake adds to what is wrong.
func (d *Decoder) Mistake(line int, key, format string, args ...any) {
	if len(d.mistakes) < maxMistakes {
		d.mistakes = append(d.mistakes, Mistake{Line: line, Key: key, What: fmt.Sprintf(format, args...)})
	}
}

// Err returns the Mistakes so far in the order of lines, nil if there are
// none.
func (d *Decoder) Err() error {
	if len(d.mistakes) == 0 {
		return nil
	}
	sort.SliceStable(d.mistakes, func(i, j int) bool { return d.mistakes[i].Line < d.mistakes[j].Line })
	return d.mistakes
}

// Overlooked returns the keys of type Unused that were there; What is their
// doc.
func (d *Decoder) Overlooked() []Mistake { return d.overlooked }

// Parse reads the one document in content. It returns nil for an empty one.
func Parse(content []byte) (*yaml.Node, error) {
	d := yaml.NewDecoder(bytes.NewReader(content))
	var doc, more yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, notYAML(err)
	}
	if err := d.Decode(&more); err == nil {
		return nil, Mistakes{{Line: more.Line, What: "a second document starts here; one file is one document"}}
	} else if !errors.Is(err, io.EOF) {
		return nil, notYAML(err)
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

// notYAML makes a mistake of the parser's error, which starts "yaml: line 3: ".
// The parser counts some lines from 0 and some from 1.
func notYAML(err error) error {
	m := Mistake{What: strings.TrimPrefix(err.Error(), "yaml: ")}
	if n, _ := fmt.Sscanf(m.What, "line %d: ", &m.Line); n == 1 {
		_, m.What, _ = strings.Cut(m.What, ": ")
	}
	m.What = "this is no YAML, here or on the next line: " + m.What
	return Mistakes{m}
}

// value fills v from n.
func (d *Decoder) value(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind == yaml.AliasNode {
		d.Mistake(n.Line, key, "aliases (*%s) are not accepted; write the value out", Clip(n.Value))
		return
	}
	if l, ok := v.Addr().Interface().(Leaf); ok {
		d.scalar(n, l, key)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), key)
	case reflect.Struct:
		d.object(n, v, key)
	case reflect.Map:
		d.named(n, v, key)
	case reflect.Slice:
		d.list(n, v, key)
	}
}

func (d *Decoder) scalar(n *yaml.Node, l Leaf, key string) {
	switch {
	case n.Kind != yaml.ScalarNode:
		d.Mistake(n.Line, key, "want one value, not a %s", kindName(n))
	case n.Tag == "!!null":
		d.Mistake(n.Line, key, "has no value; leave the key out for the default")
	case n.Style&yaml.TaggedStyle != 0:
		d.Mistake(n.Line, key, "tags (%s) are not accepted", Clip(n.Tag))
	default:
		if err := l.ReadText(n.Value); err != nil {
			d.Mistake(n.Line, key, "%v", err)
		}
	}
}

// empty says whether n is a key without a value, which stands for a section
// without keys and for a list without entries.
func empty(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func (d *Decoder) list(n *yaml.Node, v reflect.Value, key string) {
	entries := n.Content
	if n.Kind != yaml.SequenceNode {
		if _, lone := v.Addr().Interface().(Lone); lone && n.Kind == yaml.ScalarNode {
			entries = []*yaml.Node{n}
		} else if !empty(n) {
			d.Mistake(n.Line, key, "want a list, not a %s", kindName(n))
			return
		}
	}
	for i, entry := range entries {
		one := reflect.New(v.Type().Elem()).Elem()
		d.value(entry, one, fmt.Sprintf("%s[%d]", key, i))
		v.Set(reflect.Append(v, one))
	}
}

// pairs calls f for every key of n with its value, after refusing what no
// section may have.
func (d *Decoder) pairs(n *yaml.Node, key string, f func(k, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		if !empty(n) {
			d.Mistake(n.Line, key, "want keys with values, not a %s", kindName(n))
		}
		return
	}
	first := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode || k.Tag == "!!merge" {
			d.Mistake(k.Line, key, "a key is plain text: no merge keys, lists or aliases")
			continue
		}
		if line, twice := first[k.Value]; twice {
			d.Mistake(k.Line, join(key, Clip(k.Value)), "stands here again; it was on line %d", line)
			continue
		}
		first[k.Value] = k.Line
		f(k, n.Content[i+1])
	}
}

// named fills a map whose keys are leaves too.
func (d *Decoder) named(n *yaml.Node, v reflect.Value, key string) {
	v.Set(reflect.MakeMap(v.Type()))
	d.pairs(n, key, func(k, value *yaml.Node) {
		at := join(key, Clip(k.Value))
		name := reflect.New(v.Type().Key())
		if err := name.Interface().(Leaf).ReadText(k.Value); err != nil {
			d.Mistake(k.Line, at, "%v", err)
			return
		}
		one := reflect.New(v.Type().Elem()).Elem()
		d.value(value, one, at)
		v.SetMapIndex(name.Elem(), one)
	})
}

func (d *Decoder) object(n *yaml.Node, v reflect.Value, key string) {
	if s, ok := v.Addr().Interface().(Short); ok && n.Kind == yaml.ScalarNode && !empty(n) {
		if err := s.ReadShort(n.Value); err != nil {
			d.Mistake(n.Line, key, "%v", err)
			return
		}
		d.remember(n, v, key)
		return
	}
	d.remember(n, v, key)
	before := len(d.mistakes)
	fields, got := fieldsOf(v.Type()), make(map[string]bool)
	d.pairs(n, key, func(k, value *yaml.Node) {
		f, ok := fields.find(k.Value)
		at := join(key, Clip(k.Value))
		if !ok {
			d.Mistake(k.Line, at, "unknown key%s", fields.meant(k.Value))
			return
		}
		if got[f.name] {
			d.Mistake(k.Line, at, "says again what another spelling of %s said", f.name)
			return
		}
		got[f.name] = true
		switch v.Field(f.index).Interface().(type) {
		case NotYet:
			d.Mistake(k.Line, at, "not available yet in this version; take it out, it would not act")
		case Unused:
			d.overlooked = append(d.overlooked, Mistake{k.Line, at, f.doc})
		default:
			d.value(value, v.Field(f.index), at)
			if f.need && f.kind.Kind() == reflect.Slice && (empty(value) || value.Kind == yaml.SequenceNode && len(value.Content) == 0) {
				d.Mistake(k.Line, at, "has no entry")
			}
		}
	})
	if n.Kind != yaml.MappingNode && !empty(n) {
		return
	}
	for _, f := range fields {
		if f.need && !got[f.name] {
			d.Mistake(n.Line, join(key, f.name), "is missing")
		}
	}
	if w, ok := v.Addr().Interface().(Whole); ok && len(d.mistakes) == before {
		if err := w.Check(); err != nil {
			d.Mistake(n.Line, key, "%v", err)
		}
	}
}

// remember tells a section where it lies.
func (d *Decoder) remember(n *yaml.Node, v reflect.Value, key string) {
	if p, ok := v.Addr().Interface().(placed); ok {
		*p.place() = Place{Line: n.Line, Key: key}
	}
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// Clip keeps what is repeated of a file short and on one line.
func Clip(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	if q := fmt.Sprintf("%q", s); q != `"`+s+`"` {
		return q
	}
	return s
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "list"
	case yaml.MappingNode:
		return "section with keys"
	}
	return "single value"
}
