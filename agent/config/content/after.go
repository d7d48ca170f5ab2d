package content

import (
	"errors"
	"path/filepath"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/strict"
)

// After is the section `after:`.
//
//	after: {source: archive, archive: /srv/sent}
type After struct {
	strict.Place
	Source  SourceAfter    `yaml:"source" need:"yes" doc:"What becomes of a file at the source when every destination has given its receipt for it: keep; delete; or archive, which moves it. Default: keep."`
	Archive leaf.LocalPath `yaml:"archive" doc:"Directory of the host of the source for source: archive, not below the source. Files keep their place below it, and none is replaced."`
}

// SourceAfter is an mft.SourceAfter.
type SourceAfter string

// keep is what a file says for mft.SourceKeep.
const keep SourceAfter = "keep"

// ReadText implements strict.Leaf.
func (v *SourceAfter) ReadText(s string) error {
	switch *v = SourceAfter(s); *v {
	case keep, SourceAfter(mft.SourceDelete), SourceAfter(mft.SourceArchive):
		return nil
	}
	return errors.New("want keep, delete or archive")
}

// Schema implements strict.Leaf.
func (*SourceAfter) Schema() map[string]any {
	return map[string]any{"enum": []any{string(keep), string(mft.SourceDelete), string(mft.SourceArchive)}}
}

// After returns what the section says; without it files stay.
func (e *After) After() mft.After {
	if e == nil || e.Source == keep {
		return mft.After{}
	}
	return mft.After{Source: mft.SourceAfter(e.Source), Archive: string(e.Archive)}
}

// Fits finds what does not go together in a channel that has the section.
func (e *After) Fits(d *strict.Decoder, c mft.Channel) {
	if e == nil {
		return
	}
	wrong := func(key, why string) { d.Mistake(e.Line, e.Key+key, "%s", why) }
	archives := e.Source == SourceAfter(mft.SourceArchive)
	switch {
	case archives && e.Archive == "":
		wrong(".archive", "missing; with source: archive it says where files go")
	case !archives && e.Archive != "":
		wrong(".archive", "it is that of source: archive")
	case archives && (below(c.From.Path, string(e.Archive)) || below(string(e.Archive), c.From.Path)):
		wrong(".archive", "it lies in the source, or the source in it: what is there would be sent again")
	}
	if c.After.Moves() && c.Mirror.On {
		wrong(".source", "a mirror removes at the destination what is not in the source, and would remove what was moved")
	}
}

// below reports whether a path is a directory or lies in it.
func below(dir, path string) bool {
	rel, err := filepath.Rel(filepath.Clean(dir), filepath.Clean(path))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// DocumentOfAfter returns what After reads; nil of nothing.
func DocumentOfAfter(a mft.After) map[string]any {
	if !a.Moves() {
		return nil
	}
	out := map[string]any{"source": string(a.Source)}
	if a.Archive != "" {
		out["archive"] = a.Archive
	}
	return out
}
