package preserve

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
	"mft.dev/mft/internal/xattr"
	wire "mft.dev/mft/protocol/xattr"
)

// as is a host on which some have other numbers.
type as map[string]int

func (o as) User(name string, number uint32) int {
	if id, is := o[name]; is {
		return id
	}
	return int(number)
}

func (o as) Group(name string, number uint32) int { return o.User(name, number) }

// open makes an empty file, or skips where it could have nothing.
func open(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	needs(t, f)
	return f
}

func needs(t *testing.T, f *os.File) {
	t.Helper()
	for _, name := range []string{"user.x", xattr.Access} {
		if _, _, err := xattr.Get(f, name); errors.Is(err, errors.ErrUnsupported) {
			t.Skipf("the file system has no %s", name)
		}
	}
}

var acl = wire.ACL{
	{Tag: wire.Owner, Perm: 6},
	{Tag: wire.User, Perm: 6, ID: 4001},
	{Tag: wire.User, Perm: 4, ID: 4002},
	{Tag: wire.Owning, Perm: 4},
	{Tag: wire.Group, Perm: 7, ID: 4003},
	{Tag: wire.Mask, Perm: 6},
	{Tag: wire.Other},
}

func block(s wire.Set) string { return s.Append() }

func TestApplied(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	needs(t, dir)
	some := []wire.Attribute{{Name: "user.a", Value: "1"}, {Name: "user.b", Value: "\x00\xff"}}
	for _, tt := range []struct {
		name string
		f    *os.File
		in   []wire.Set // one after the other
	}{
		{"attributes", open(t), []wire.Set{{Attributes: some}, {Attributes: some[1:]}, {Attributes: []wire.Attribute{{Name: "user.b"}}}, {}}},
		{"access list", open(t), []wire.Set{{Access: acl}, {Access: slices.Delete(slices.Clone(acl), 1, 2)}, {}}},
		{"both", open(t), []wire.Set{{Access: acl}, {Attributes: some}, {Attributes: some, Access: acl}}},
		{"directory", dir, []wire.Set{{Default: acl}, {Attributes: some, Access: acl, Default: acl[:0:0]}, {Default: acl}, {}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := For(mft.PreserveAll)
			for i, set := range tt.in {
				if len(set.Default) == 0 {
					set.Default = nil
				}
				want := block(set)
				if err := Apply(tt.f, want, mft.PreserveAll, as{}); err != nil {
					t.Fatalf("set %d: %v", i, err)
				}
				if got, err := r.Read(tt.f); got != want || err != nil {
					t.Fatalf("set %d: %q, %v, want %q", i, got, err, want)
				}
				if is, err := Is(tt.f, want, mft.PreserveAll, as{}); !is || err != nil {
					t.Errorf("set %d is not what is there: %v", i, err)
				}
				if is, err := Is(tt.f, block(tt.in[(i+1)%len(tt.in)]), mft.PreserveAll, as{}); is || err != nil {
					t.Errorf("set %d is that after it: %v", i, err)
				}
			}
		})
	}
}

// TestLeavesAlone: what is not preserved stays.
func TestLeavesAlone(t *testing.T) {
	f := open(t)
	all := block(wire.Set{Attributes: []wire.Attribute{{Name: "user.a", Value: "1"}}, Access: acl})
	if err := Apply(f, all, mft.PreserveAll, as{}); err != nil {
		t.Fatal(err)
	}
	for _, keeps := range []mft.Preserve{0, mft.PreserveXAttrs, mft.PreserveACLs} {
		only, err := For(keeps).Read(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := Apply(f, only, keeps, as{}); err != nil {
			t.Fatal(err)
		}
		if got, err := For(mft.PreserveAll).Read(f); got != all || err != nil {
			t.Fatalf("after %v: %q, %v", keeps, got, err)
		}
	}
	if err := Apply(f, "", mft.PreserveXAttrs, as{}); err != nil {
		t.Fatal(err)
	}
	if got, err := For(mft.PreserveAll).Read(f); got != block(wire.Set{Access: acl}) || err != nil {
		t.Errorf("without attributes: %q, %v", got, err)
	}
}

// TestMapped: names win over numbers, and who becomes another one twice may do what both may.
func TestMapped(t *testing.T) {
	f := open(t)
	named := slices.Clone(acl)
	named[1].Name, named[2].Name, named[4].Name = "alice", "bob", "staff"
	for _, tt := range []struct {
		name  string
		hosts as
		want  []wire.Entry // of users and groups
	}{
		{"unknown", as{}, []wire.Entry{acl[1], acl[2], acl[4]}},
		{"another number", as{"alice": 5000}, []wire.Entry{acl[2], {Tag: wire.User, Perm: 6, ID: 5000}, acl[4]}},
		{"the same", as{"alice": 5000, "bob": 5000, "staff": 5000}, []wire.Entry{{Tag: wire.User, Perm: 4, ID: 5000}, {Tag: wire.Group, Perm: 7, ID: 5000}}},
		{"nobody", as{"alice": -1}, []wire.Entry{acl[2], acl[4]}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := Apply(f, block(wire.Set{Access: named}), mft.PreserveACLs, tt.hosts); err != nil {
				t.Fatal(err)
			}
			got, err := read(f, mft.PreserveACLs)
			if err != nil {
				t.Fatal(err)
			}
			only := slices.DeleteFunc(slices.Clone(got.Access), func(e wire.Entry) bool { return !e.Tag.Named() })
			if !slices.Equal(only, tt.want) {
				t.Errorf("it has %+v, want %+v", only, tt.want)
			}
			if is, err := Is(f, block(wire.Set{Access: named}), mft.PreserveACLs, tt.hosts); !is || err != nil {
				t.Errorf("it is not what was applied: %v", err)
			}
		})
	}
}

func TestTooMuch(t *testing.T) {
	f := open(t)
	if err := xattr.Set(f, "user.large", make([]byte, wire.Max)); err != nil {
		t.Skipf("the file system does not take so much: %v", err)
	}
	if _, err := For(mft.PreserveXAttrs).Read(f); mft.CodeOf(err) != mft.CodeUnpreserved || !strings.Contains(err.Error(), f.Name()) {
		t.Errorf("error %v", err)
	}
}

func TestUnfit(t *testing.T) {
	f := open(t)
	for _, tt := range []struct {
		err  error
		code mft.Code
	}{
		{syscall.EOPNOTSUPP, mft.CodeUnpreserved},
		{syscall.ENOSPC, mft.CodeUnpreserved},
		{syscall.EPERM, mft.CodePermission},
		{syscall.EROFS, mft.CodeReadOnly},
	} {
		if err := unfit("set", f, tt.err); mft.CodeOf(err) != tt.code || !errors.Is(err, tt.err) && tt.err != syscall.EOPNOTSUPP {
			t.Errorf("%v becomes %v", tt.err, err)
		}
	}
}

// TestFormSurvives: the kernel's form of a list is read as it was written, and nothing else is
// taken that it would not give.
func TestFormSurvives(t *testing.T) {
	got, err := parse(format(acl))
	if err != nil || !slices.Equal(got, acl) {
		t.Errorf("read back: %+v, %v", got, err)
	}
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "bytes")
		if rapid.Bool().Draw(t, "ours") {
			b = append(format(nil), b...)
		}
		l, err := parse(b)
		if err == nil && len(l) != (len(b)-headSize)/entrySize {
			t.Fatalf("%d entries of %d bytes", len(l), len(b))
		}
	})
}
