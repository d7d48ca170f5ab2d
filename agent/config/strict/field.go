package strict

import (
	"reflect"
	"slices"
	"strings"
)

// A field is one key of a section, as its tags declare it.
type field struct {
	index int
	name  string
	also  []string
	need  bool
	doc   string
	kind  reflect.Type
}

type fields []field

// fieldsOf reads the tags of a section's type.
func fieldsOf(t reflect.Type) fields {
	var out fields
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		one := field{index: i, name: name, need: f.Tag.Get("need") == "yes", doc: f.Tag.Get("doc"), kind: f.Type}
		if also := f.Tag.Get("also"); also != "" {
			one.also = strings.Split(also, ",")
		}
		out = append(out, one)
	}
	return out
}

// find returns the field of the key. Case, hyphens and underscores count only
// in a key's proper name; the other spellings come from files that people
// wrote for another program.
func (fs fields) find(key string) (field, bool) {
	for _, f := range fs {
		if f.name == key || slices.ContainsFunc(f.also, func(s string) bool { return fold(s) == fold(key) }) {
			return f, true
		}
	}
	return field{}, false
}

func fold(s string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(s))
}

// meant returns the part of a sentence that proposes the nearest key.
func (fs fields) meant(key string) string {
	var names []string
	for _, f := range fs {
		if f.kind != reflect.TypeFor[NotYet]() {
			names = append(names, f.name)
		}
	}
	if len(key) <= 40 {
		if name := nearest(key, names); name != "" {
			return ", did you mean " + name + "?"
		}
	}
	return "; known here: " + strings.Join(names, ", ")
}
