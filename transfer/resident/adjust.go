package resident

import (
	"context"
	"errors"
	"os"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/preserve"
)

// fewFiles are flushed one by one; for more, the whole file system is.
const fewFiles = 16

// mayAdjust reports whether a file can be given other attributes where it is:
// it has no other name, whose attributes would change too, and belongs to the
// user of this process.
func (p *Place) mayAdjust(f *Found) bool {
	return f.id.IsRegular() && f.id.Nlink == 1 && (p.basis.Owners || int64(f.id.UID) == int64(os.Geteuid()))
}

// Open opens the file that was found, to read it. It fails with CodeChanged when it is
// another one, or another version of it, by now.
func (p *Place) Open(final string, found *Found) (*os.File, error) {
	f, fi, err := p.root.OpenFile(final)
	if err != nil {
		return nil, err
	}
	if confine.Stamp(fi) != found.id {
		f.Close()
		return nil, mft.Fail(mft.CodeChanged, "open", final, nil)
	}
	return f, nil
}

func (p *Place) digest(ctx context.Context, final string, found *Found) (mft.Digest, error) {
	f, err := p.Open(final, found)
	if err != nil {
		return mft.Digest{}, err
	}
	defer f.Close()
	hash := transfer.NewHash()
	if err := hash.WriteFrom(ctx, f, found.id.Size); err != nil {
		return mft.Digest{}, err
	}
	return hash.Sum(), nil
}

// Keep leaves a file where it is that turned out to have the content of an
// item, and gives it the attributes of the item unless nothing there may be
// changed. It fails with CodeChanged when it is another file by now.
func (p *Place) Keep(final string, it *mft.Item, found *Found) error {
	if p.terms.Overwrite != mft.OverwriteNever && !listing.Alike(it, &found.Item, p.basis) {
		return p.Adjust(final, it, found)
	}
	f, err := p.Open(final, found)
	if err != nil {
		return err
	}
	return f.Close()
}

// Adjust gives a file that was found the attributes of an item, which has the
// same content. That is durable after Flush. It fails as Keep does.
//
// Mode and owner come before the time of modification: if a crash comes in
// between, the file is still not taken for the item.
func (p *Place) Adjust(final string, it *mft.Item, found *Found) error {
	f, err := p.Open(final, found)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := preserve.Apply(f, it.Extended, p.terms.Preserve, p.terms.Owners); err != nil {
		return err
	}
	if err := confine.SetAttributes(f, p.terms.Attributes(it)); err != nil {
		return err
	}
	switch {
	case found.id.Dev != p.device || !p.land.FlushesWhole():
		return confine.Flush(f)
	case len(p.due) <= fewFiles: // else Flush flushes everything
		p.due = append(p.due, final)
	}
	return nil
}

// Flush makes durable what was adjusted. Few files are flushed by themselves,
// many by one flush of the file system, where that can be had.
func (p *Place) Flush() error {
	if len(p.due) > fewFiles {
		err := p.land.SyncFS()
		p.due = nil
		return err
	}
	for _, final := range p.due {
		f, _, err := p.root.OpenFile(final)
		if mft.CodeOf(err) == mft.CodeNotFound {
			continue // a consumer took it away
		}
		if err == nil {
			err = errors.Join(confine.Flush(f), f.Close())
		}
		if err != nil {
			return err
		}
	}
	p.due = nil
	return nil
}
