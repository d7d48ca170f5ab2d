package staging

import (
	"errors"
	"maps"
	"os"
	"path"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/preserve"
	"mft.dev/mft/transfer/staging/linked"
	"mft.dev/mft/transfer/staging/publish"
)

// Owners finds who is meant by what comes.
func (a *Area) Owners() preserve.Owners { return a.owners }

// MayOwn refuses a file that would have the rights of root here without a grant for that, and
// what has something that the offer does not preserve.
func (a *Area) MayOwn(it *mft.Item) error {
	if is, err := preserve.Within(it.Extended, a.keeps); err != nil || !is {
		return transfer.Nonsense("%q has extended attributes that are not preserved", it.Path)
	}
	return a.owners.Check(it)
}

// finish gives an open file everything but its content.
func (a *Area) finish(f *os.File, it *mft.Item, at confine.Attributes) error {
	if err := preserve.Apply(f, it.Extended, a.keeps, a.owners); err != nil {
		return err
	}
	return confine.SetAttributes(f, at)
}

// extendDir gives a directory its extended attributes. That a file system does not take them is
// not the end of a transfer, but is told.
func (a *Area) extendDir(d *confine.Dir, m *madeDir) error {
	if a.keeps&mft.PreserveExtended == 0 {
		return nil
	}
	f, err := d.Open()
	if err == nil {
		err = errors.Join(preserve.Apply(f, m.extended, a.keeps, a.owners), f.Close())
	}
	if !publish.ItemLevel(err) {
		return err
	}
	if slices.ContainsFunc(a.bare, func(r Refusal) bool { return r.Entry.Final == m.final }) {
		return nil // it was tried before, where it was built
	}
	a.bare = append(a.bare, Refusal{Item{Entry: &journal.Entry{Final: m.final}}, err})
	return nil
}

// WithBare adds to what was refused the directories that did not get their extended
// attributes, and the names that are files of their own. It is for the Ending of the last Commit.
func (a *Area) WithBare(bad []Refusal) []Refusal { return slices.Concat(bad, a.bare) }

// writeAside makes a small file at its place in what is built aside.
func (a *Area) writeAside(t *target, name string, content []byte, it *mft.Item) error {
	at, first := a.attributes(it, t), confine.Attributes{Mode: 0o600, MTime: it.MTime, UID: -1, GID: -1}
	if a.keeps&mft.PreserveExtended == 0 {
		first = at
	}
	err := t.dir.WriteSmall(name, content, first)
	if mft.CodeOf(err) == mft.CodeExists { // the same item twice
		if err = t.dir.Remove(name); err == nil {
			err = t.dir.WriteSmall(name, content, first)
		}
	}
	if err == nil && a.keeps&mft.PreserveExtended != 0 {
		var f *os.File
		if f, err = t.dir.OpenExisting(name); err == nil {
			err = errors.Join(a.finish(f, it, at), f.Close())
		}
	}
	if err != nil {
		_ = t.dir.Remove(name) // an unfinished file must not be published
	}
	return err
}

// Linked takes note of a protocol.FrameLinked: of what is delivered when the last Commit makes
// these names those of one file, but for what was there before if the policy is not to replace
// that. touch is told of each directory in which that may be.
func (a *Area) Linked(payload []byte, o mft.Overwrite, touch func(dir string)) error {
	if !a.keeps.Has(mft.PreserveLinks) || a.name != "" {
		return transfer.Nonsense("names of one file were told of, which are not preserved")
	}
	a.linked.Keeps = o != mft.OverwriteReplace
	l, err := a.linked.Hear(payload)
	for _, name := range l.Names() {
		touch(publish.DirOf(path.Join(a.dir, name)))
	}
	return err
}

// finishTree does what needs everything to be in its place.
func (a *Area) finishTree() error {
	if a.keeps.Has(mft.PreserveLinks) {
		if err := a.Step("links", a.link); err != nil {
			return err
		}
	}
	return a.Step("directories", a.setDirs)
}

// link makes the names of files that have several.
func (a *Area) link() error {
	stages := maps.Clone(a.abroad)
	stages[a.device] = a.home
	var err error
	a.relinked, err = a.linked.Make(linked.Place{
		Root: a.root, Stages: stages,
		Final: func(name string) string { return path.Join(a.dir, name) },
		Failed: func(final string, cause error) {
			a.bare = append(a.bare, Refusal{Item{Entry: &journal.Entry{Final: final}}, cause})
		},
	})
	if err != nil {
		return err
	}
	return publish.SyncDirs(a.root, a.relinked)
}
