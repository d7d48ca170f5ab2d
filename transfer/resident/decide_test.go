package resident

import (
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
	"mft.dev/mft/protocol/listing"
)

func TestDecide(t *testing.T) {
	file := mft.Item{Type: mft.ItemFile, Size: 3, MTime: 5, Mode: 0o644}
	dir := mft.Item{Type: mft.ItemDir, MTime: 5, Mode: 0o755}
	link := mft.Item{Type: mft.ItemSymlink, Target: "a"}
	with := func(it mft.Item, change func(*mft.Item)) mft.Item {
		change(&it)
		return it
	}
	older := func(it *mft.Item) { it.MTime-- }
	closed := func(it *mft.Item) { it.Mode = 0o700 }
	quick, content, none := Rule{Compare: mft.CompareQuick, MayAdjust: true}, Rule{Compare: mft.CompareContent, MayAdjust: true}, Rule{Compare: mft.CompareNone, MayAdjust: true}
	never, never2 := Rule{Compare: mft.CompareQuick, Never: true, MayAdjust: true}, Rule{Compare: mft.CompareContent, Never: true}
	fixed, fixed2 := Rule{Compare: mft.CompareQuick}, Rule{Compare: mft.CompareContent}
	mirrored := Rule{Compare: mft.CompareQuick, Mirror: true}
	basis, dirs := mft.Basis{Present: true}, mft.Basis{Present: true, Dirs: true}
	for _, tt := range []struct {
		name     string
		it, have mft.Item
		rule     Rule
		basis    mft.Basis
		want     Finding
	}{
		{"the same file", file, file, quick, basis, Same},
		{"the same file, content", file, file, content, basis, Content},
		{"the same file, none", file, file, none, basis, Nothing},
		{"another type", file, dir, quick, basis, Nothing},
		{"another size", file, with(file, func(it *mft.Item) { it.Size++ }), quick, basis, Nothing},
		{"another size, content", file, with(file, func(it *mft.Item) { it.Size++ }), content, basis, Nothing},
		{"another time", file, with(file, older), quick, basis, Nothing},
		{"another time, content", file, with(file, older), content, basis, Content},
		{"another time, content, not ours", file, with(file, older), fixed2, basis, Nothing},
		{"another time, content, never", file, with(file, older), never2, basis, Content},
		{"another mode", file, with(file, closed), quick, basis, Adjusted},
		{"another mode, not ours", file, with(file, closed), fixed, basis, Nothing},
		{"another mode, never", file, with(file, closed), never, basis, Nothing},
		{"setuid that does not count", file, with(file, func(it *mft.Item) { it.Mode |= 0o4000 }), quick, basis, Same},
		{"empty, content", with(file, func(it *mft.Item) { it.Size = 0 }), with(file, func(it *mft.Item) { it.Size = 0 }), content, basis, Nothing},
		{"the same link", link, link, quick, basis, Same},
		{"another target", link, with(link, func(it *mft.Item) { it.Target = "b" }), quick, basis, Nothing},
		{"a directory", dir, with(dir, closed), quick, basis, Same},
		{"a directory, mirrored", dir, with(dir, closed), mirrored, dirs, SetDir},
		{"a directory of another time, mirrored", dir, with(dir, older), mirrored, dirs, SetDir},
		{"the same directory, mirrored", dir, dir, mirrored, dirs, Same},
		{"the same directory, none", dir, dir, none, basis, Nothing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Decide(&tt.it, &tt.have, tt.rule, tt.basis); got != tt.want {
				t.Errorf("Decide = %d, want %d", got, tt.want)
			}
		})
	}
}

// TestNeverChangesNothing: when nothing may be changed, nothing is.
func TestNeverChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func() mft.Item {
			it := mft.Item{
				Type: mft.ItemType(rapid.IntRange(1, 3).Draw(t, "type")), Mode: rapid.Uint32Range(0, 1).Draw(t, "mode"),
				MTime: rapid.Int64Range(0, 1).Draw(t, "mtime"), UID: rapid.Uint32Range(0, 1).Draw(t, "uid"),
			}
			if it.Type == mft.ItemFile {
				it.Size = rapid.Int64Range(0, 1).Draw(t, "size")
			}
			return it
		}
		it, have := draw(), draw()
		rule := Rule{
			Compare: rapid.SampledFrom([]mft.Compare{mft.CompareQuick, mft.CompareContent, mft.CompareNone}).Draw(t, "compare"),
			Never:   rapid.Bool().Draw(t, "never"), Mirror: rapid.Bool().Draw(t, "mirror"), MayAdjust: rapid.Bool().Draw(t, "may"),
		}
		basis := mft.Basis{Owners: rapid.Bool().Draw(t, "owners"), Dirs: rapid.Bool().Draw(t, "dirs")}
		got := Decide(&it, &have, rule, basis)
		if rule.Never && (got == Adjusted || got == SetDir) {
			t.Fatalf("Decide(%+v, %+v, %+v) = %d", it, have, rule, got)
		}
		if got == Same && it.Type != mft.ItemDir && !listing.Alike(&it, &have, basis) {
			t.Fatalf("Decide(%+v, %+v) says that they are the same", it, have)
		}
	})
}
