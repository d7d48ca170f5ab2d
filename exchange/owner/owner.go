// Package owner decides which of several agents of one name delivers a
// transfer: exactly one, although they share a queue that hands out a letter more
// than once, and know nothing of each other.
//
//	who, err := owner.Take(ctx, x, id, member)
//	if err == nil && who != member { … } // leave it to that one
//
// The decision is an object in the container that they share. What is published
// does not change any more (see exchange.Container), so whatever each of them
// stages, after it has published it reads whose word stands: of all who ask,
// at any time, the same. Nobody takes a transfer over from its owner, since
// nobody else can know whether it has begun to deliver.
//
// Who may write to the storage for all of them can lie to each. Then a transfer
// is delivered by several, or by none; what is delivered is what was sent all
// the same.
package owner

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

// Life is how long a decision has to be kept: longer than any letter that asks
// for the transfer.
const Life = 15 * 24 * time.Hour

// prefix begins the names of decisions. That of other objects is the random name
// of a member, which is longer.
const prefix = "owner-"

// memberSize is how long the name of a member is, in bytes.
const memberSize = 12

// memberForm is what the name of a member looks like.
var memberForm = regexp.MustCompile(`^[a-z2-7]{12}$`)

// readLife is how long the right to read a decision back lasts.
const readLife = time.Minute

// Take makes member the owner of a transfer unless another is, and returns who
// is. A member asks as often as it likes. Errors are those of the storage,
// CodeCorrupt when it holds what no member wrote, and CodeUsage for a member that
// is not 12 characters a-z, 2-7.
func Take(ctx context.Context, x exchange.Exchange, id mft.TransferID, member string) (string, error) {
	const op = "take the ownership of"
	if !memberForm.MatchString(member) {
		return "", mft.Fail(mft.CodeUsage, op, id.String(), fmt.Errorf("%q is no member", member))
	}
	who, err := Of(ctx, x, id)
	if err != nil || who != "" {
		return who, err
	}
	name := object(id)
	// Either may fail because another was faster.
	err = x.Container.Stage(ctx, name, 0, []byte(member))
	if err == nil {
		err = x.Container.Publish(ctx, name, 1)
	}
	who, rerr := Of(ctx, x, id)
	if rerr == nil && who == "" && err == nil {
		err = mft.Fail(mft.CodeIO, op, id.String(), errors.New("the exchange does not give back what was just written"))
	}
	if rerr != nil || who == "" {
		return "", errors.Join(err, rerr)
	}
	return who, nil
}

// Of returns the owner of a transfer, nothing when it has none yet. Errors are
// as for Take.
func Of(ctx context.Context, x exchange.Exchange, id mft.TransferID) (string, error) {
	g, err := x.Container.Grant(ctx, object(id), readLife)
	if err == nil {
		var who [memberSize]byte
		if err = x.Reader.Read(ctx, g.Ref, 0, who[:]); err == nil {
			if !memberForm.Match(who[:]) {
				return "", mft.Fail(mft.CodeCorrupt, "read the owner of", id.String(), errors.New("no member has written what stands there"))
			}
			return string(who[:]), nil
		}
	}
	if mft.CodeOf(err) == mft.CodeNotFound {
		return "", nil
	}
	return "", err
}

// Over reports whether an object of the container is a decision that nobody
// needs any more.
func Over(o exchange.Object, now time.Time) bool {
	return strings.HasPrefix(o.Name, prefix) && now.Sub(o.Changed) > Life
}

func object(id mft.TransferID) string { return prefix + id.String() }
