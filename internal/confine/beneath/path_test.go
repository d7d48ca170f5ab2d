package beneath

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine/filesys"
)

func TestCheckPath(t *testing.T) {
	for _, tt := range []struct {
		name, rel, want string
		code            mft.Code
	}{
		{"empty", "", "", mft.CodeOK},
		{"dot", ".", "", mft.CodeOK},
		{"name", "a", "a", mft.CodeOK},
		{"path", "a/b/c", "a/b/c", mft.CodeOK},
		{"dots in names", "..a/b../...", "..a/b../...", mft.CodeOK},
		{"parent", "..", "", mft.CodeBadPath},
		{"parent last", "a/..", "", mft.CodeBadPath},
		{"parent first", "../a", "", mft.CodeBadPath},
		{"dot last", "a/.", "", mft.CodeBadPath},
		{"absolute", "/a", "", mft.CodeBadPath},
		{"only a slash", "/", "", mft.CodeBadPath},
		{"slash last", "a/", "", mft.CodeBadPath},
		{"two slashes", "a//b", "", mft.CodeBadPath},
		{"zero byte", "a\x00", "", mft.CodeBadPath},
		{"longest", strings.Repeat("a/", maxPath/2-1) + "a", strings.Repeat("a/", maxPath/2-1) + "a", mft.CodeOK},
		{"too long", strings.Repeat("a", maxPath+1), "", mft.CodeNameTooLong},
	} {
		got, err := CheckPath(tt.rel)
		if code := filesys.CodeFor(err); code != tt.code || (err == nil && got != tt.want) {
			t.Errorf("%s: CheckPath = %.20q, %q, want %.20q, %q", tt.name, got, code, tt.want, tt.code)
		}
	}
}

func FuzzCheckPath(f *testing.F) {
	for _, seed := range []string{"", ".", "a/b", "a/../b", "/", "a\x00", `a\b`, "c:", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, rel string) {
		clean, err := CheckPath(rel)
		if err != nil || clean == "" {
			return
		}
		if clean != rel || path.Clean(clean) != clean {
			t.Errorf("CheckPath(%q) = %q, want a clean path as it is", rel, clean)
		}
		if !fs.ValidPath(strings.ToValidUTF8(clean, "x")) {
			t.Errorf("CheckPath(%q) = %q, which io/fs refuses", rel, clean)
		}
		above, name := Split(clean)
		if CheckName(name) != nil || Join(above, name) != clean {
			t.Errorf("Split(%q) = %q, %q", clean, above, name)
		}
		first, rest := Cut(clean)
		if CheckName(first) != nil || (rest != "" && Join(first, rest) != clean) {
			t.Errorf("Cut(%q) = %q, %q", clean, first, rest)
		}
	})
}
