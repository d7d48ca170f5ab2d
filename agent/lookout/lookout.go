// Package lookout looks at the source of a channel, and does to its markers, and to files
// that are to leave it, what others decide.
//
//	at := lookout.Local{Root: "/srv/out"}
//	err := at.Look(ctx, lookout.Search{Paths: []string{""}, Deep: true}, func(p string, id confine.Identity, err error) error { … })
//	err = at.Watch(ctx, func(path string, reliable bool) { … })
//	there, err := at.Do(ctx, marker.Order{Deed: marker.Look, Path: "/srv/out/.busy"})
//
// [Local] does that in this process, as its user; package foreman has another [Lookout], which
// has a worker do it as the user of the channel. Both refuse to follow symbolic links below
// the root, to read content, and to change anything else.
package lookout

import (
	"context"
	"io/fs"
	"path"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/departure/clearing"
	"mft.dev/mft/agent/rehearsal/scene"
	"mft.dev/mft/agent/source"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/internal/watch"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/trigger/marker"
)

// A See hears of something at a path below the source, slashes between names. With an
// error nothing else is known of it. What it returns ends the look.
type See func(p string, id confine.Identity, err error) error

// A Lookout looks at one source. Its methods may be called by several goroutines.
type Lookout interface {
	// Look calls see for what it comes to, one after the other. The error is that of see, of
	// s.Known, of ctx, or why the root cannot be opened.
	Look(ctx context.Context, s Search, see See) error
	// Readable returns why the content of a file cannot be read, nil if it can; of a
	// symbolic link, why it cannot be sent as one.
	Readable(ctx context.Context, p string) error
	// Watch calls hint with paths that are worth a look, "" for all, until ctx ends or it no
	// longer can; reliable says that the system tells of every change. Hint must not block.
	Watch(ctx context.Context, hint func(p string, reliable bool)) error
	// Sound is source.Sound.
	Sound(ctx context.Context, p source.Place, now time.Time) error
	// Do does what an order says to a marker.
	marker.Hand
	// Clear has files leave the source.
	clearing.Hand
	// Whole tells of all that a mirror would send.
	scene.Viewer
}

// Local looks with the rights of this process.
type Local struct {
	Root string // absolute, in the form of this host
}

// Look is that of Lookout.
func (l Local) Look(ctx context.Context, s Search, see See) error {
	root, err := confine.Open(l.Root)
	if err != nil {
		return err
	}
	defer root.Close() // only read
	g := newGathering(&s, see)
	for _, p := range s.Paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := g.at(ctx, root, p); err != nil {
			return err
		}
		if err := g.tell(); err != nil {
			return err
		}
	}
	return nil
}

// at looks at one path.
func (g *gathering) at(ctx context.Context, root *confine.Root, p string) error {
	if p == "" && g.s.Deep {
		return g.walk(ctx, root, "")
	}
	info, err := root.Lstat(p)
	if err != nil {
		return g.see(p, confine.Identity{}, err)
	}
	id := confine.Stamp(info)
	if g.s.Deep && id.IsDir() {
		return g.walk(ctx, root, p)
	}
	return g.see(p, id, nil)
}

// walk gathers everything below a directory that is no directory itself, and tells of
// what cannot be looked at. It leaves out what transfers put aside.
func (g *gathering) walk(ctx context.Context, root *confine.Root, top string) error {
	todo := []string{top}
	for len(todo) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		rel := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if err := g.enter(rel); err != nil {
			return err
		}
		dir, err := root.Dir(rel)
		var stop error
		if err == nil {
			err = dir.Names(func(name string) error {
				if scan.IsStaging(name) {
					return nil
				}
				id, err := dir.Identity(name)
				switch {
				case err != nil:
					stop = g.see(path.Join(rel, name), confine.Identity{}, err)
				case id.IsDir():
					todo = append(todo, path.Join(rel, name))
				default:
					stop = g.add(name, id)
				}
				return stop
			})
		}
		if stop == nil && err != nil {
			stop = g.see(rel, confine.Identity{}, err)
		}
		if stop != nil {
			return stop
		}
	}
	return nil
}

// Readable is that of Lookout.
func (l Local) Readable(_ context.Context, p string) error {
	root, err := confine.Open(l.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	if fi, err := root.Lstat(p); err == nil && fi.Mode()&fs.ModeSymlink != 0 {
		return scan.Travels(root, p)
	}
	f, _, err := root.OpenFile(p)
	if err != nil {
		return err
	}
	return f.Close()
}

// Watch is that of Lookout.
func (l Local) Watch(ctx context.Context, hint func(p string, reliable bool)) error {
	return watch.New(l.Root).Run(ctx, func(p string) { hint(p, watch.Local(l.Root)) })
}

// Sound is source.Sound.
func (Local) Sound(_ context.Context, p source.Place, now time.Time) error {
	return source.Sound(p, now)
}

// Do is that of marker.Tree.
func (l Local) Do(ctx context.Context, o marker.Order) (bool, error) {
	return marker.Tree(l.Root).Do(ctx, o)
}

// Whole is that of scene.Whole.
func (Local) Whole(ctx context.Context, channel string, m mft.Mirror, p source.Place, visit func(scene.Thing) error) error {
	return scene.Whole(ctx, channel, m, p, visit)
}

// Clear is that of clearing.Do.
func (l Local) Clear(ctx context.Context, o clearing.Order) ([]clearing.End, error) {
	return clearing.Do(ctx, l.Root, o)
}
