// Package strict reads YAML that people write into Go types, and describes
// the same types as a JSON Schema.
//
// A section is a struct whose fields carry tags:
//
//	yaml  the key; what follows a comma in it is for those who write
//	also  other spellings of the key, separated by commas
//	need  "yes" when the key must be there
//	doc   a sentence for the schema
//
// Values are types that implement [Leaf]; lists, maps of sections and pointers
// to sections are what they look like:
//
//	var d strict.Decoder
//	root, err := strict.Parse(content)
//	...
//	d.Decode(root, &file)
//	return d.Err()
//
// The package refuses what YAML offers for surprises: aliases, merge keys,
// tags, several documents, repeated and unknown keys. It reports all mistakes
// of a file at once ([Mistakes]), each with its line, and proposes the nearest
// key for an unknown one. Its own memory is bounded by the size of the content.
package strict
