// Package order checks what an operator or a channel orders and makes transfers
// of it, each once.
//
// A [Book] takes the orders of operators: [Book.Copy], [Book.Request] and
// [Book.Retry]. Whoever may have to give an order again, because no answer
// came, makes the id of the transfer by [NewID]: the second time is then no
// second order. The functions beside it are pure but for the random part of
// an id.
//
// The package refuses what no host takes for a path, and an id that stands for
// another order; whether a peer allows a path is for the peer to say, and
// whether a source is there for package source.
package order

import (
	"errors"
	"path/filepath"
	"strings"
	"time"

	"mft.dev/mft"
)

// New returns a planned transfer; a zero id becomes a new one. An empty policy
// is mft.OverwriteReplace. Errors: mft.CodeUsage for another policy, and that
// of CheckID.
func New(id mft.TransferID, role mft.Role, peer mft.AgentName, o mft.Overwrite, now time.Time) (mft.Transfer, error) {
	switch o {
	case "":
		o = mft.OverwriteReplace
	case mft.OverwriteReplace, mft.OverwriteNever, mft.OverwriteVersion:
	default:
		return mft.Transfer{}, mft.Fail(mft.CodeUsage, "read overwrite policy", string(o), errors.New("it is replace, never or version"))
	}
	var err error
	if id.IsZero() {
		id, err = NewID()
	} else {
		err = CheckID(id)
	}
	if err != nil {
		return mft.Transfer{}, err
	}
	return mft.Transfer{
		ID: id, Role: role, Peer: peer, State: mft.StatePlanned, Overwrite: o, Compare: mft.CompareQuick, Compress: mft.CompressAuto,
		Created: now, Updated: now,
	}, nil
}

// comparing returns a way to compare; an empty one is mft.CompareQuick.
// Errors: mft.CodeUsage.
func comparing(c mft.Compare) (mft.Compare, error) {
	switch c {
	case "":
		return mft.CompareQuick, nil
	case mft.CompareQuick, mft.CompareContent, mft.CompareNone:
		return c, nil
	}
	return "", mft.Fail(mft.CodeUsage, "read way to compare", string(c), errors.New("it is quick, content or none"))
}

// compressing returns when to compress; an empty one is mft.CompressAuto.
// Errors: mft.CodeUsage.
func compressing(c mft.Compress) (mft.Compress, error) {
	switch c {
	case "":
		return mft.CompressAuto, nil
	case mft.CompressAuto, mft.CompressAlways, mft.CompressNever:
		return c, nil
	}
	return "", mft.Fail(mft.CodeUsage, "read when to compress", string(c), errors.New("it is auto, always or never"))
}

// CheckLocal refuses what cannot be an absolute path of this host, with code
// mft.CodeBadPath.
func CheckLocal(op, path string) error {
	if err := CheckRemote(op, path); err != nil {
		return err
	}
	if !filepath.IsAbs(path) && !strings.HasPrefix(path, "/") {
		return mft.Fail(mft.CodeBadPath, op, path, errors.New("the path is not absolute"))
	}
	return nil
}

// maxPath is the longest path that a message carries.
const maxPath = 4096

// CheckRemote refuses what cannot be a path of any host, with code
// mft.CodeBadPath.
func CheckRemote(op, path string) error {
	bad := func(why string) error { return mft.Fail(mft.CodeBadPath, op, path, errors.New(why)) }
	switch {
	case path == "":
		return bad("the path is empty")
	case len(path) > maxPath:
		return bad("the path is longer than 4096 bytes")
	case strings.IndexByte(path, 0) >= 0:
		return bad("the path contains a NUL byte")
	}
	return nil
}
