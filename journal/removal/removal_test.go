package removal

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func drawRemovals(t *rapid.T) []Removal {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Removal {
		return Removal{
			Path: rapid.String().Draw(t, "path"), Dir: rapid.Bool().Draw(t, "dir"), Inode: rapid.Uint64().Draw(t, "inode"),
			Size: rapid.Int64Min(0).Draw(t, "size"), MTime: rapid.Int64().Draw(t, "time"), Entries: rapid.Int64Min(0).Draw(t, "entries"),
		}
	}), 0, 20).Draw(t, "plan")
}

func TestRemovalsSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawRemovals(t)
		got, err := Decode(Encode(want))
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("Decode = %+v, %v, want %+v", got, err, want)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode([]Removal{{Path: "a/b", Inode: 7, Size: 8, MTime: -9}, {Path: "c", Dir: true}}))
	f.Add([]byte{1})
	f.Add([]byte{0, 0, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		plan, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Decode(Encode(plan))
		if err != nil || !slices.Equal(again, plan) {
			t.Fatalf("decoded again: %+v, %v, want %+v", again, err, plan)
		}
	})
}
