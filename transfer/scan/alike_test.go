package scan

import (
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol/listing"
)

// TestAlikeIsWhatIsListed: two entries of one name are alike exactly when they
// enter the listing of a directory in the same form.
func TestAlikeIsWhatIsListed(t *testing.T) {
	draw := func(t *rapid.T) mft.Item {
		it := mft.Item{
			Type: mft.ItemType(rapid.IntRange(1, 3).Draw(t, "type")), Mode: rapid.Uint32Range(0, 0o7777).Draw(t, "mode"),
			MTime: rapid.Int64().Draw(t, "mtime"), UID: rapid.Uint32Range(1e9, 1e9+1).Draw(t, "uid"), GID: 1e9,
		}
		switch it.Type {
		case mft.ItemFile:
			it.Size = rapid.Int64Range(0, 1e9).Draw(t, "size")
		case mft.ItemSymlink:
			it.Target = rapid.StringN(1, 5, 9).Draw(t, "target")
		}
		return it
	}
	entry := func(l *Lister, it *mft.Item) string {
		id := confine.Identity{Size: it.Size, MTime: it.MTime, Mode: it.Mode, UID: it.UID, GID: it.GID}
		return string(l.encode(nil, it.Type, []byte("name"), &id, []byte(it.Target)))
	}
	rapid.Check(t, func(t *rapid.T) {
		basis := mft.Basis{
			Owners: rapid.Bool().Draw(t, "owners"), SetID: rapid.Bool().Draw(t, "setid"), Dirs: rapid.Bool().Draw(t, "dirs"),
		}
		a := draw(t)
		b := a
		switch rapid.IntRange(0, 5).Draw(t, "change") {
		case 0:
			b = draw(t)
		case 1:
			b.MTime++
		case 2:
			b.Mode ^= 1 << rapid.IntRange(0, 11).Draw(t, "bit")
		case 3:
			b.GID++
		case 4:
			b.UID++
		}
		l := ListerFor(basis)
		if got, want := listing.Alike(&a, &b, basis), entry(l, &a) == entry(l, &b); got != want {
			t.Fatalf("Alike(%+v, %+v, %+v) = %v, their listings say %v", a, b, basis, got, want)
		}
	})
}
