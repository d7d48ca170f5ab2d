// Package source opens what a transfer sends, from where it may be sent.
//
// [Open] takes the row of a transfer and a [Place], which says whose word the
// paths are: an operator's, who may name anything that the agent can read; a
// channel's, below its directory; or a peer's, below what the peer is allowed
// at this moment. [Set.Close] closes what Open opened.
//
// The package refuses to follow symbolic links that anybody but an operator
// named, and to send for a peer what was allowed once but is not any more. It
// reads no content.
package source

import (
	"context"
	"errors"
	"path"
	"path/filepath"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/trigger"
	"mft.dev/mft/trigger/selection"
)

// A Place is where the sources of a transfer may lie.
type Place struct {
	// Grants are those of the peer that asked; used when the transfer was
	// requested.
	Grants []mft.Grant
	// Channel is the directory of the transfer's channel, empty when the
	// configuration has no such channel; used when it belongs to one.
	Channel string
	// Select is what a mirror of the channel sends of it, with the rules that the
	// receiver hears of; Guard what has to hold of it then.
	Select mft.Selection
	Guard  mft.Guard
	// Missing is told of each file that a channel found and that has gone
	// since, unless there is no other. The text of the error has the path quoted:
	// by it package exits knows the file.
	Missing func(error)
}

// A Set is the sources of one transfer.
type Set struct {
	Sources []*scan.Source
	roots   []*confine.Root
	files   bool // all sources are files
}

// Close closes the sources.
func (s *Set) Close() {
	for _, src := range s.Sources {
		src.Close() // read only: there is nothing to lose
	}
	for _, r := range s.roots {
		r.Close()
	}
}

// Single reports whether the transfer sends one file, which may get another
// name at its destination.
func (s *Set) Single() bool { return len(s.Sources) == 1 && s.Sources[0].Single }

// Announced sums up the sizes when all sources are files. What is in
// directories is found by scanning, while it moves.
func (s *Set) Announced(ctx context.Context) (mft.Count, error) {
	var sum mft.Count
	for _, src := range s.Sources {
		if !src.Single && !s.files {
			return mft.Count{}, nil
		}
		for e, err := range src.Items(ctx) {
			if err != nil {
				continue
			}
			size, err := content(src, e)
			if err != nil {
				continue // whoever sends it says why it cannot be read
			}
			sum.Items++
			sum.Bytes += size
		}
	}
	return sum, ctx.Err()
}

// content returns how many bytes of a file are not holes: what it will take at
// the other end.
func content(src *scan.Source, e scan.Entry) (int64, error) {
	f, _, err := src.OpenItem(e)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var sum int64
	for x, err := range confine.Extents(f, e.Item.Size) {
		if err != nil {
			return 0, err
		}
		if !x.Hole {
			sum += x.Length
		}
	}
	return sum, nil
}

// CheckDirectory refuses a source that is no directory, with mft.CodeUsage.
// Errors otherwise: those of scan.Open.
func CheckDirectory(path string) error {
	src, err := scan.Open(path)
	if err != nil {
		return err
	}
	defer src.Close()
	if _, ok := src.Top(); !ok {
		return mft.Fail(mft.CodeUsage, "mirror", path, errors.New("only a directory can be mirrored"))
	}
	return nil
}

// Open opens the sources of t. Errors: those of scan.Open and
// transfer.AdmitRequest, and mft.CodeConfig when the channel is no more.
func Open(t mft.Transfer, p Place) (*Set, error) {
	s := &Set{}
	var err error
	switch {
	case t.Requested:
		err = s.openRequested(t, p.Grants)
	case t.Channel != "":
		err = s.openArrived(t, p)
	default:
		err = s.openNamed(t.Sources)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Set) openNamed(paths []string) error {
	for _, path := range paths {
		src, err := scan.Open(path)
		if err != nil {
			return err
		}
		s.Sources = append(s.Sources, src)
	}
	return nil
}

// openRequested opens what a peer asked for. What it is allowed is asked at
// every attempt: what was taken back since is not sent.
func (s *Set) openRequested(t mft.Transfer, grants []mft.Grant) error {
	for _, path := range t.Sources {
		r := mft.Request{Transfer: t.ID, Requester: t.Peer, Path: path}
		root, rel, err := transfer.AdmitRequest(&r, grants)
		if err != nil {
			return err
		}
		if err := s.openUnder(root, rel); err != nil {
			return err
		}
	}
	return nil
}

func (s *Set) openUnder(root, rel string) error {
	r, err := confine.Open(filepath.FromSlash(root))
	if err != nil {
		return err
	}
	s.roots = append(s.roots, r)
	src, err := scan.OpenUnder(r, rel)
	if err != nil {
		return err
	}
	s.Sources = append(s.Sources, src)
	return nil
}

// openArrived opens files that a channel found. One that has gone since is
// told of and left out.
func (s *Set) openArrived(t mft.Transfer, p Place) error {
	if p.Channel == "" {
		return mft.Fail(mft.CodeConfig, "open the source of channel", t.Channel, errors.New("the configuration no longer has it"))
	}
	root, err := confine.Open(p.Channel)
	if err != nil {
		return err
	}
	if t.Mirror.On {
		s.roots = append(s.roots, root)
		return s.openMirror(root, p)
	}
	s.roots, s.files = append(s.roots, root), true
	var missing []error
	for _, path := range t.Sources {
		rel, err := filepath.Rel(p.Channel, path)
		if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			return mft.Fail(mft.CodeConfig, "open the source of channel", path, errors.New("it is not in the channel's directory"))
		}
		src, err := scan.OpenExact(root, filepath.ToSlash(rel))
		switch {
		case mft.CodeOf(err) == mft.CodeNotFound:
			missing = append(missing, mft.Fail(mft.CodeNotFound, "send", path, errors.New("it has gone since the channel found it")))
		case err != nil:
			return err
		default:
			s.Sources = append(s.Sources, src)
		}
	}
	if len(s.Sources) == 0 && len(missing) > 0 {
		return missing[0]
	}
	for _, err := range missing {
		p.Missing(err)
	}
	return nil
}

// openMirror opens the whole of what a channel mirrors.
func (s *Set) openMirror(root *confine.Root, p Place) error {
	chosen, err := trigger.Chosen(p.Select)
	if err != nil {
		return err
	}
	now := time.Now()
	if err := Sound(p, now); err != nil {
		return err
	}
	src, err := scan.OpenUnder(root, "./")
	if err != nil {
		return err
	}
	if p.Select.Symlinks != mft.SymlinksCopy && p.Select.Symlinks != "" || chosen.Rules.Len() > 0 || chosen.Limits != (selection.Limits{}) { // else as fast as can be
		src.Choose = chosen.Choose(now)
	}
	s.Sources = append(s.Sources, src)
	return nil
}

// Grant decides whether a peer may have what it asks for, opens it once to see
// that it is there, and returns its absolute path. Errors: those of
// transfer.AdmitRequest and scan.OpenUnder.
func Grant(r *mft.Request, grants []mft.Grant) (string, error) {
	root, rel, err := transfer.AdmitRequest(r, grants)
	if err != nil {
		return "", err
	}
	s := &Set{}
	defer s.Close()
	if err := s.openUnder(root, rel); err != nil {
		return "", err
	}
	return Below(root, rel), nil
}

// Below returns the path of what is rel below root, a directory if rel says so.
func Below(root, rel string) string {
	found := path.Join(root, rel)
	if strings.HasSuffix(rel, "/") {
		found += "/"
	}
	return found
}

// Check opens what an operator named once to see that it is there.
func Check(paths []string) error {
	s := &Set{}
	defer s.Close()
	return s.openNamed(paths)
}

// List lists a directory to see that this user can. Errors: those of confine.Open.
func List(dir string) error {
	root, err := confine.Open(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return root.List("", func([]byte, *confine.Identity, []byte) error { return nil })
}
