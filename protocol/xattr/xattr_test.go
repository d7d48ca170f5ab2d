package xattr

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

func drawSet(t *rapid.T) Set {
	var s Set
	for _, name := range slices.Sorted(slices.Values(rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z.\n]{1,20}`), 0, 5, rapid.ID).Draw(t, "names"))) {
		s.Attributes = append(s.Attributes, Attribute{Prefix + name, rapid.StringN(0, 50, 200).Draw(t, "value")})
	}
	if rapid.Bool().Draw(t, "access") {
		s.Access = drawACL(t, true)
	}
	if rapid.Bool().Draw(t, "default") {
		s.Default = drawACL(t, rapid.Bool().Draw(t, "mask"))
	}
	return s
}

func drawACL(t *rapid.T, masked bool) ACL {
	perm := rapid.Uint8Range(0, 7)
	named := func(l ACL, tag Tag) ACL {
		for _, id := range slices.Sorted(slices.Values(rapid.SliceOfNDistinct(rapid.Uint32Range(0, Nobody-1), 0, 4, rapid.ID).Draw(t, "ids"))) {
			l = append(l, Entry{tag, perm.Draw(t, "perm"), id, rapid.SampledFrom([]string{"", "alice", "b\xff"}).Draw(t, "name")})
		}
		return l
	}
	l := ACL{{Tag: Owner, Perm: perm.Draw(t, "perm")}}
	if masked {
		l = named(l, User)
	}
	l = append(l, Entry{Tag: Owning, Perm: perm.Draw(t, "perm")})
	if masked {
		l = append(named(l, Group), Entry{Tag: Mask, Perm: perm.Draw(t, "perm")})
	}
	return append(l, Entry{Tag: Other, Perm: perm.Draw(t, "perm")})
}

func TestReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawSet(t)
		s := want.Append()
		got, err := Parse(s)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("read back: %+v, %v, want %+v", got, err, want)
		}
		if s == "" {
			return
		}
		if Check(s+"\x00") == nil {
			t.Fatal("a byte too many is taken")
		}
		if Check(s[:rapid.IntRange(1, len(s)-1).Draw(t, "cut")]) == nil {
			t.Fatal("half a set is taken")
		}
		if want.Within(0) {
			t.Fatal("something is within nothing")
		}
		if !want.Within(mft.PreserveAll) || want.Within(mft.PreserveACLs) != (want.Attributes == nil) {
			t.Fatal("what is preserved is not told apart")
		}
	})
}

func TestRefuses(t *testing.T) {
	plain := ACL{{Tag: Owner}, {Tag: Owning}, {Tag: Other}}
	with := func(e ...Entry) ACL {
		l := append(slices.Clone(plain), e...)
		slices.SortStableFunc(l, func(a, b Entry) int { return int(a.Tag) - int(b.Tag) })
		return l
	}
	for _, tt := range []struct {
		name string
		set  Set
	}{
		{"another namespace", Set{Attributes: []Attribute{{"trusted.x", ""}}}},
		{"no name", Set{Attributes: []Attribute{{Prefix, ""}}}},
		{"a zero byte", Set{Attributes: []Attribute{{"user.a\x00", ""}}}},
		{"a name too long", Set{Attributes: []Attribute{{Prefix + strings.Repeat("a", 251), ""}}}},
		{"a name twice", Set{Attributes: []Attribute{{"user.a", ""}, {"user.a", ""}}}},
		{"not sorted", Set{Attributes: []Attribute{{"user.b", ""}, {"user.a", ""}}}},
		{"too large", Set{Attributes: []Attribute{{"user.b", strings.Repeat("x", Max)}}}},
		{"what the mode says", Set{Access: plain}},
		{"no tag", Set{Default: with(Entry{Tag: 3})}},
		{"a tag beyond", Set{Default: with(Entry{Tag: 0x40})}},
		{"permissions beyond", Set{Default: with(Entry{Tag: Mask, Perm: 8})}},
		{"no mask", Set{Access: with(Entry{Tag: User, ID: 1})}},
		{"two masks", Set{Access: with(Entry{Tag: Mask}, Entry{Tag: Mask})}},
		{"one twice", Set{Access: with(Entry{Tag: User, ID: 1}, Entry{Tag: User, ID: 1}, Entry{Tag: Mask})}},
		{"no other", Set{Access: ACL{{Tag: Owner}, {Tag: Owning}, {Tag: Mask}, {Tag: Mask}}}},
		{"no owner", Set{Default: ACL{{Tag: Owning}, {Tag: Mask}, {Tag: Other}}}},
		{"out of order", Set{Default: ACL{{Tag: Owner}, {Tag: Other}, {Tag: Owning}}}},
		{"a name with a zero", Set{Access: with(Entry{Tag: User, ID: 1, Name: "\x00"}, Entry{Tag: Mask})}},
		{"a name of a user that is too long", Set{Access: with(Entry{Tag: User, ID: 1, Name: strings.Repeat("a", 256)}, Entry{Tag: Mask})}},
		{"nobody", Set{Access: with(Entry{Tag: User, ID: Nobody}, Entry{Tag: Mask})}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := Check(tt.set.Append()); mft.CodeOf(err) != mft.CodeProtocol {
				t.Errorf("error %v", err)
			}
		})
	}
	for _, s := range []string{"\x00\x00\x00", "\x00", "\xff\xff\xff\xff\x0f"} {
		if err := Check(s); mft.CodeOf(err) != mft.CodeProtocol {
			t.Errorf("%x: error %v", s, err)
		}
	}
}

// FuzzParse: what is taken is written in the same way again.
func FuzzParse(f *testing.F) {
	f.Add("")
	f.Add((&Set{Attributes: []Attribute{{"user.a", "b"}}}).Append())
	f.Add((&Set{Access: ACL{{Owner, 6, 0, ""}, {User, 4, 7, "x"}, {Owning, 4, 0, ""}, {Mask, 4, 0, ""}, {Other, 0, 0, ""}}}).Append())
	f.Fuzz(func(t *testing.T, s string) {
		set, err := Parse(s)
		if err == nil && set.Append() != s {
			t.Errorf("%q becomes %q", s, set.Append())
		}
	})
}
