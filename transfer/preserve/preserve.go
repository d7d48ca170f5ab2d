// Package preserve reads of files and directories what mft.Preserve names, and gives it
// to others.
//
//	reader := preserve.Reader{Keeps: mft.PreserveAll}
//	item.Extended, err = reader.Read(f)            // at the source
//	...
//	err = preserve.Apply(f, item.Extended, keeps, owners)  // at the destination
//
// Access lists name users and groups. As with the owners of files, who has the same name
// here is meant, and else who has the same number.
//
// It works on Linux. On systems and file systems that have nothing of the kind, everything
// is read as if it were not there, and nothing can be applied but the empty set.
package preserve

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/internal/names"
	"mft.dev/mft/internal/xattr"
	wire "mft.dev/mft/protocol/xattr"
)

// A Reader reads what is preserved. It is safe for concurrent use; nil preserves nothing.
type Reader struct {
	Keeps mft.Preserve
	names names.Names
}

// For returns a reader of what is preserved, nil for nothing.
func For(keeps mft.Preserve) *Reader {
	if keeps&mft.PreserveExtended == 0 {
		return nil
	}
	return &Reader{Keeps: keeps}
}

// Check refuses to preserve anything on a system that has nothing of the kind. The error has
// CodeUnpreserved.
func Check(keeps mft.Preserve) error {
	if keeps != 0 && !xattr.Supported {
		return mft.Fail(mft.CodeUnpreserved, "preserve", keeps.String(), errors.New("mft does that on Linux only"))
	}
	return nil
}

// Read returns what is preserved of an open file or directory, in the form of
// mft.Item.Extended. It fails with CodeUnpreserved when that is too much to travel, or
// an access list is none.
func (r *Reader) Read(f *os.File) (string, error) {
	if r == nil {
		return "", nil
	}
	set, err := read(f, r.Keeps)
	if err != nil {
		return "", err
	}
	for _, l := range []wire.ACL{set.Access, set.Default} {
		for i := range l {
			switch l[i].Tag {
			case wire.User:
				l[i].Name = r.names.User(l[i].ID)
			case wire.Group:
				l[i].Name = r.names.Group(l[i].ID)
			}
		}
	}
	out := set.Append()
	if len(out) > wire.Max {
		return "", refuse("read", f, fmt.Errorf("its extended attributes take %d bytes, and no more than %d travel", len(out), wire.Max))
	}
	if err := wire.Check(out); err != nil {
		return "", refuse("read", f, err)
	}
	return out, nil
}

// read reads what is preserved, without names.
func read(f *os.File, keeps mft.Preserve) (set wire.Set, err error) {
	if keeps.Has(mft.PreserveXAttrs) {
		if set.Attributes, err = attributes(f); err != nil {
			return wire.Set{}, fail("read extended attributes of", f, err)
		}
	}
	if keeps.Has(mft.PreserveACLs) {
		if set.Access, err = list(f, xattr.Access); err == nil {
			set.Default, err = list(f, xattr.Default)
		}
		if err != nil {
			return wire.Set{}, fail("read the access list of", f, err)
		}
		if set.Access.Plain() {
			set.Access = nil
		}
	}
	return set, nil
}

func attributes(f *os.File) ([]wire.Attribute, error) {
	all, err := xattr.Names(f)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []wire.Attribute
	slices.Sort(all)
	for _, name := range all {
		if !strings.HasPrefix(name, wire.Prefix) {
			continue
		}
		value, found, err := xattr.Get(f, name)
		if err != nil {
			return nil, err
		}
		if found { // it may have gone meanwhile
			out = append(out, wire.Attribute{Name: name, Value: string(value)})
		}
	}
	return out, nil
}

// list reads an access list, nil for none.
func list(f *os.File, name string) (wire.ACL, error) {
	value, found, err := xattr.Get(f, name)
	if errors.Is(err, errors.ErrUnsupported) || err == nil && !found {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parse(value)
}

// Within reports whether there is nothing in extended but what is preserved. It fails
// with CodeProtocol when extended is not valid.
func Within(extended string, keeps mft.Preserve) (bool, error) {
	set, err := wire.Parse(extended)
	return err == nil && set.Within(keeps), err
}

// Owners finds who is meant on this host; see Map of package transfer/staging/owner. A
// negative number is nobody.
type Owners interface {
	User(name string, number uint32) int
	Group(name string, number uint32) int
}

// Is reports whether an open file has what extended says, as far as it is preserved.
// Errors are those of Read; extended is valid.
func Is(f *os.File, extended string, keeps mft.Preserve, owners Owners) (bool, error) {
	_, same, err := differences(f, extended, keeps, owners)
	return same, err
}

// differences returns what an open file has, and whether that is what extended says.
func differences(f *os.File, extended string, keeps mft.Preserve, owners Owners) (have wire.Set, same bool, err error) {
	if have, err = read(f, keeps); err != nil {
		return have, false, err
	}
	want, err := here(extended, owners)
	if err != nil {
		return have, false, err
	}
	return have, want.Append() == have.Append(), nil
}

// here returns the set with the numbers of this host, and without names.
func here(extended string, owners Owners) (wire.Set, error) {
	set, err := wire.Parse(extended)
	if err == nil {
		set.Access, set.Default = locally(set.Access, owners), locally(set.Default, owners)
	}
	return set, err
}

// locally gives an access list the numbers of this host. Of two entries that come to mean
// the same user or group, what both permit is left.
func locally(l wire.ACL, owners Owners) wire.ACL {
	out := make(wire.ACL, 0, len(l))
	for _, e := range l {
		id := 0
		switch e.Tag {
		case wire.User:
			id = owners.User(e.Name, e.ID)
		case wire.Group:
			id = owners.Group(e.Name, e.ID)
		}
		if id < 0 {
			continue // nobody is permitted nothing
		}
		e.ID, e.Name = uint32(id), ""
		out = append(out, e)
	}
	if len(out) == 0 {
		return nil
	}
	slices.SortFunc(out, before)
	kept := out[:1]
	for _, e := range out[1:] {
		if last := &kept[len(kept)-1]; last.Tag == e.Tag && last.ID == e.ID {
			last.Perm &= e.Perm
			continue
		}
		kept = append(kept, e)
	}
	return kept
}

// Apply gives an open file or directory what extended says, and takes from it what that
// does not have, as far as it is preserved. Call it before the mode is set: a file that
// may not be written may not be given attributes either, and the permissions of its group
// are then those of the mask.
//
// It fails with CodeUnpreserved when the file system does not take it.
func Apply(f *os.File, extended string, keeps mft.Preserve, owners Owners) error {
	if keeps&mft.PreserveExtended == 0 {
		return nil
	}
	have, same, err := differences(f, extended, keeps, owners)
	if err != nil || same {
		return err
	}
	want, err := here(extended, owners)
	if err != nil {
		return err
	}
	if err := applyAttributes(f, have.Attributes, want.Attributes); err != nil {
		return unfit("set extended attributes of", f, err)
	}
	err = applyList(f, xattr.Access, have.Access, want.Access)
	if err == nil {
		err = applyList(f, xattr.Default, have.Default, want.Default)
	}
	if err != nil {
		return unfit("set the access list of", f, err)
	}
	return nil
}

// applyAttributes makes room first: what all files of a file system may have together is
// often little.
func applyAttributes(f *os.File, have, want []wire.Attribute) error {
	wanted := map[string]string{}
	for _, a := range want {
		wanted[a.Name] = a.Value
	}
	for _, a := range have {
		value, is := wanted[a.Name]
		if !is {
			if err := xattr.Remove(f, a.Name); err != nil {
				return err
			}
		} else if value == a.Value {
			delete(wanted, a.Name)
		}
	}
	for _, a := range want {
		if _, due := wanted[a.Name]; !due {
			continue
		}
		if err := xattr.Set(f, a.Name, []byte(a.Value)); err != nil {
			return err
		}
	}
	return nil
}

func applyList(f *os.File, name string, have, want wire.ACL) error {
	switch {
	case slices.Equal(have, want):
		return nil
	case want == nil:
		return xattr.Remove(f, name)
	}
	return xattr.Set(f, name, format(want))
}
