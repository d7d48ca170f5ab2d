// Package versions sets aside what a new file replaces, and removes what is more of that
// than a bound allows.
//
//	shelf := versions.NewShelf(root, final...)
//	err := shelf.SetAside(final) // before the new file takes the name
//	err = shelf.Clear(bound, time.Now()) // when that is durable
//
// A version within a bound is NAME.~N.TAG~. N counts up; TAG is a digest of NAME, N and of
// what the file was when it was set aside: its number, size and time. Only what still has
// its own tag counts as a version, so what is removed is what was set aside here under
// exactly that name, and has not been changed, copied or renamed since. No list is needed for
// that which a crash could lose. A tag is no secret: it keeps mistakes away, not somebody
// who can write to the directory, and who could remove its files anyway.
//
// Without a bound a version is NAME.~N~, and is never removed.
package versions

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
)

const (
	// tagSize is how many hexadecimal digits a tag has.
	tagSize = 8
	// maxNumber bounds N, and with it the length of a name.
	maxNumber = 999_999_999
)

// A Version is a file that was set aside.
type Version struct {
	Name string // its own
	Of   string // the name that it had
	N    int64  // higher is newer
	ID   confine.Identity
}

// Policy is how an item of an offer with policy o takes its final name under a bound.
func Policy(o mft.Overwrite, bound mft.VersionBound) mft.Overwrite {
	if o == mft.OverwriteVersion && bound.Keep > 0 {
		return mft.OverwriteBounded
	}
	return o
}

// Name returns the name of version n of the file of, which is now what id says.
func Name(of string, n int64, id confine.Identity) string {
	return fmt.Sprintf("%s.~%d.%s~", of, n, tag(of, n, id))
}

// tag leaves out what renaming changes, and what changes without the file: its device
// has another number when it is mounted again, its links are others' doing.
func tag(of string, n int64, id confine.Identity) string {
	b := append([]byte("mft version\x00"), of...)
	for _, v := range []uint64{0, uint64(n), id.Inode, uint64(id.Size), uint64(id.MTime)} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:tagSize/2])
}

// Read returns the version that a file is, by its name and by what it is.
func Read(name string, id confine.Identity) (Version, bool) {
	of, n, ok := split(name)
	if !ok || n == 0 || !id.IsRegular() && !id.IsSymlink() || Name(of, n, id) != name {
		return Version{}, false
	}
	return Version{name, of, n, id}, true
}

// Is reports whether name has the form of a version's, with or without a bound.
func Is(name string) bool {
	_, _, ok := split(name)
	return ok
}

// split takes NAME.~N~ or NAME.~N.TAG~ apart; n is 0 unless it has a tag and is one that
// Name would write.
func split(name string) (of string, n int64, ok bool) {
	rest, ok := strings.CutSuffix(name, "~")
	i := strings.LastIndex(rest, ".~")
	if !ok || i <= 0 {
		return "", 0, false
	}
	number, mark, tagged := strings.Cut(rest[i+2:], ".")
	if number == "" || strings.Trim(number, "0123456789") != "" || tagged && (len(mark) != tagSize || strings.Trim(mark, "0123456789abcdef") != "") {
		return "", 0, false
	}
	if tagged && len(number) <= 9 && number[0] != '0' {
		n, _ = strconv.ParseInt(number, 10, 64)
	}
	return rest[:i], n, true
}

// Surplus returns those of the versions of one file that are more than the bound keeps:
// those with the highest numbers stay, whatever their times are, and with MaxAge those as well
// that were set aside, or changed in any way, no longer ago, or at a time that is not known.
func Surplus(of []Version, bound mft.VersionBound, now time.Time) []Version {
	if bound.Keep <= 0 || len(of) <= bound.Keep {
		return nil
	}
	list := slices.SortedFunc(slices.Values(of), func(a, b Version) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name))
	})[bound.Keep:]
	if bound.MaxAge == 0 {
		return list
	}
	return slices.DeleteFunc(list, func(v Version) bool {
		return v.ID.CTime == 0 || now.Sub(time.Unix(0, v.ID.CTime)) <= bound.MaxAge
	})
}
