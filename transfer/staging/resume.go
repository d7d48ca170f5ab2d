package staging

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/staging/publish"
)

// Partial returns what the journal knows of an item that an earlier attempt
// left half done.
func (a *Area) Partial(key protocol.Key) (journal.Partial, bool) {
	part, ok := a.parts[key]
	return part, ok
}

// ResumePoint returns how much of a file an earlier attempt left, and the digest
// of what is there now: the length of a file proves nothing. 0 is nothing that
// can be used. whole says that it is a file of a directory that is built
// aside, see Reuse; else it is for Resume.
func (a *Area) ResumePoint(ctx context.Context, final string, it *mft.Item) (n int64, d mft.Digest, whole bool) {
	f := a.Kept(final, it)
	if whole = f != nil; whole {
		n = it.Size
	} else {
		if len(a.parts) == 0 || it.Size <= transfer.SmallMax {
			return 0, d, false
		}
		part, ok := a.Partial(protocol.KeyOf(it))
		if !ok || part.Offset <= 0 || part.Offset > it.Size {
			return 0, d, false
		}
		temp, err := a.Resume(ctx, final, part)
		if err != nil {
			return 0, d, false
		}
		f, n = temp.File, part.Offset
	}
	defer f.Close()
	hash := transfer.NewHash()
	if err := hash.WriteFrom(ctx, f, n); err != nil {
		return 0, d, false
	}
	return n, hash.Sum(), whole
}

// Resume opens the temporary file of a partial item to go on with it.
func (a *Area) Resume(ctx context.Context, final string, part journal.Partial) (*File, error) {
	_, t, err := a.stagingFor(ctx, publish.DirOf(final))
	if err != nil {
		return nil, err
	}
	f, err := a.reopen(part.Temp)
	if err != nil {
		return nil, err
	}
	return &File{f, part.Temp, t}, nil
}
