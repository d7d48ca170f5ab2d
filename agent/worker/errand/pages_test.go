package errand

import (
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mft.dev/mft"
)

// TestPages: a page is read as it was written, and no part of one is taken for a page with
// other entries than were written.
func TestPages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []Found
		for range rapid.IntRange(0, 5).Draw(t, "entries") {
			f := Found{
				Path: string(rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "path")),
				Size: rapid.Int64().Draw(t, "size"), MTime: rapid.Int64().Draw(t, "mtime"), CTime: rapid.Int64().Draw(t, "ctime"),
				Inode: rapid.Uint64().Draw(t, "inode"), Mode: rapid.Uint32().Draw(t, "mode"),
			}
			if rapid.Bool().Draw(t, "failed") {
				f.Failure = FailureOf(mft.Fail(mft.CodeIO, "read", "x", io.ErrUnexpectedEOF))
			}
			list = append(list, f)
		}
		page := PageOf(list)
		got, err := page.List()
		if diff := cmp.Diff(list, got); err != nil || len(list)+len(got) > 0 && diff != "" {
			t.Fatalf("List: %v, -want +got:\n%s", err, diff)
		}
		if len(page.Found) == 0 {
			return
		}
		cut := Page{page.Found[:rapid.IntRange(0, len(page.Found)-1).Draw(t, "cut")]}
		got, err = cut.List()
		if err == nil && (len(got) >= len(list) || !cmp.Equal(list[:len(got)], got)) {
			t.Fatalf("a part of it is %v", got)
		}
	})
	for name, page := range map[string]Page{
		"too many":       PageOf(make([]Found, PageSize+1)),
		"a large mode":   {[]byte{0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0}},
		"a long path":    {[]byte{9, 'a'}},
		"a bad failure":  {[]byte{0, 0, 0, 0, 0, 0, 1, 0xff}},
		"an endless one": {[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
	} {
		if got, err := page.List(); err == nil {
			t.Errorf("%s is read as %v", name, got)
		}
	}
}

func BenchmarkPage(b *testing.B) {
	list := make([]Found, PageSize)
	for i := range list {
		list[i] = Found{Path: "some/directory/file-12345.csv", Size: 4096, MTime: 1e18, CTime: 1e18, Inode: 123456, Mode: 0o100644}
	}
	for b.Loop() {
		page := PageOf(list)
		if got, err := page.List(); err != nil || len(got) != len(list) {
			b.Fatal(err)
		}
	}
}
