package order

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"mft.dev/mft"
)

// NewID makes a transfer id. Those made later by one process sort after those
// made before.
func NewID() (mft.TransferID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return mft.TransferID{}, mft.Fail(mft.CodeInternal, "make a transfer id", "", err)
	}
	return mft.TransferID(id), nil
}

// CheckID refuses an id that is not a UUID of version 7, with code
// mft.CodeUsage: the queue takes the order of ids for that of time.
func CheckID(id mft.TransferID) error {
	if u := uuid.UUID(id); u.Version() != 7 || u.Variant() != uuid.RFC4122 {
		return mft.Fail(mft.CodeUsage, "read transfer id", id.String(), errors.New("it is not a UUID of version 7; `mft transfer id` makes one"))
	}
	return nil
}

// Difference says in what the order of row is another than that of want, which
// has the same id; it is empty when want is the same order once more.
func Difference(row, want mft.Transfer) string {
	is := func(what string, this, other any) string {
		return fmt.Sprintf("its %s is %q, not %q", what, this, other)
	}
	switch {
	case row.Role != want.Role || row.Requested != want.Requested || row.Channel != want.Channel:
		return "it is " + kind(row)
	case row.Peer != want.Peer:
		return is("other end", row.Peer, want.Peer)
	case !slices.Equal(row.Sources, want.Sources) && len(row.Sources) == 1 && len(want.Sources) == 1:
		return is("source", row.Sources[0], want.Sources[0])
	case !slices.Equal(row.Sources, want.Sources):
		return "its sources are others"
	case row.Destination != want.Destination:
		return is("destination", row.Destination, want.Destination)
	case row.Overwrite != want.Overwrite:
		return is("overwrite policy", row.Overwrite, want.Overwrite)
	case row.Compare != want.Compare:
		return is("way to compare", row.Compare, want.Compare)
	case cmp.Or(row.Compress, mft.CompressAuto) != cmp.Or(want.Compress, mft.CompressAuto):
		return is("way to compress", row.Compress, want.Compress)
	case row.Preserve != want.Preserve:
		return is("preserve", row.Preserve.String(), want.Preserve.String())
	case row.Mirror != want.Mirror:
		return "it mirrors otherwise"
	}
	return ""
}

// kind says in words how a transfer came to be.
func kind(t mft.Transfer) string {
	switch {
	case t.Channel != "":
		return fmt.Sprintf("one of channel %q with %q", t.Channel, t.Peer)
	case t.Role == mft.RoleSend && t.Requested:
		return fmt.Sprintf("one that %q asked for", t.Peer)
	case t.Role == mft.RoleSend:
		return fmt.Sprintf("a copy to %q", t.Peer)
	case t.Requested:
		return fmt.Sprintf("a request to %q", t.Peer)
	}
	return fmt.Sprintf("one that %q sends here", t.Peer)
}
