// Package releases has the section `update:` of a configuration: where newer
// versions of mft come from, and whose word is taken for them.
//
//	update:
//	  from: https://files.example/mft/
//	  keys: [mftr1:…]
//
// Its types are read by package strict, and written as they were read.
package releases

import (
	"errors"
	"path/filepath"

	"mft.dev/mft/release"
	"mft.dev/mft/release/origin"
)

// An Update is the section.
type Update struct {
	From Place `yaml:"from,omitempty" json:"from,omitempty" doc:"Where releases are: the absolute path of a folder, or an https URL. Default: mft update needs --from."`
	Keys []Key `yaml:"keys,omitempty" json:"keys,omitempty" doc:"Keys that sign releases, as mft release key prints them; one is enough, several while a key is replaced."`
}

// maxKeys is how many keys are pinned at most.
const maxKeys = 8

// Check implements strict.Whole.
func (u *Update) Check() error {
	if len(u.Keys) == 0 || len(u.Keys) > maxKeys {
		return errors.New("want 1 to 8 keys")
	}
	return nil
}

// Pinned returns the keys; none without the section.
func (u *Update) Pinned() []release.Key {
	if u == nil {
		return nil
	}
	var out []release.Key
	for _, k := range u.Keys {
		out = append(out, release.Key(k))
	}
	return out
}

// A Place is a folder or an https URL.
type Place string

// ReadText implements strict.Leaf.
func (v *Place) ReadText(s string) error {
	if !filepath.IsAbs(s) {
		if _, err := origin.ParseURL(s); err != nil {
			return err
		}
	}
	*v = Place(s)
	return nil
}

// Schema implements strict.Leaf.
func (*Place) Schema() map[string]any { return map[string]any{"type": "string", "minLength": 1} }

// A Key is a public key.
type Key release.Key

// ReadText implements strict.Leaf.
func (v *Key) ReadText(s string) error {
	k, err := release.ParseKey(s)
	*v = Key(k)
	return err
}

// Schema implements strict.Leaf.
func (*Key) Schema() map[string]any {
	return map[string]any{"type": "string", "pattern": "^mftr1:[A-Za-z0-9_-]{43}$"}
}
