package source

import (
	"os"
	"path/filepath"
	"testing"

	"mft.dev/mft"
)

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// paths returns the paths of all items of s.
func paths(t *testing.T, s *Set) []string {
	t.Helper()
	var out []string
	for _, src := range s.Sources {
		for e, err := range src.Items(t.Context()) {
			if err != nil {
				t.Fatalf("Items: %v", err)
			}
			out = append(out, e.Item.Path)
		}
	}
	return out
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	a := write(t, dir, "a", "123")
	odd := write(t, dir, "deep/[x]*", "4567")
	if err := os.Symlink(a, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		row    mft.Transfer
		place  Place
		want   []string
		sum    mft.Count
		single bool
		code   mft.Code
		gone   int
	}{
		{"an operator's file", mft.Transfer{Sources: []string{a}}, Place{}, []string{"a"}, mft.Count{Items: 1, Bytes: 3}, true, mft.CodeOK, 0},
		{"two", mft.Transfer{Sources: []string{a, odd}}, Place{}, []string{"a", "[x]*"}, mft.Count{Items: 2, Bytes: 7}, false, mft.CodeOK, 0},
		{"one of them gone", mft.Transfer{Sources: []string{a, dir + "/none"}}, Place{}, nil, mft.Count{}, false, mft.CodeNotFound, 0},
		{"an operator's link", mft.Transfer{Sources: []string{dir + "/link"}}, Place{}, []string{"link"}, mft.Count{Items: 1, Bytes: 3}, true, mft.CodeOK, 0},

		{"what a channel found", mft.Transfer{Channel: "c", Sources: []string{a, odd}}, Place{Channel: dir}, []string{"a", "deep/[x]*"}, mft.Count{Items: 2, Bytes: 7}, false, mft.CodeOK, 0},
		{"one of it gone", mft.Transfer{Channel: "c", Sources: []string{a, dir + "/none"}}, Place{Channel: dir}, []string{"a"}, mft.Count{Items: 1, Bytes: 3}, false, mft.CodeOK, 1},
		{"all of it gone", mft.Transfer{Channel: "c", Sources: []string{dir + "/none"}}, Place{Channel: dir}, nil, mft.Count{}, false, mft.CodeNotFound, 0},
		{"a link in its place", mft.Transfer{Channel: "c", Sources: []string{dir + "/link"}}, Place{Channel: dir}, nil, mft.Count{}, false, mft.CodeSymlink, 0},
		{"outside the channel", mft.Transfer{Channel: "c", Sources: []string{a}}, Place{Channel: dir + "/deep"}, nil, mft.Count{}, false, mft.CodeConfig, 0},
		{"the channel is no more", mft.Transfer{Channel: "c", Sources: []string{a}}, Place{}, nil, mft.Count{}, false, mft.CodeConfig, 0},

		{"what a peer may have", mft.Transfer{Requested: true, Sources: []string{a}}, Place{Grants: []mft.Grant{{Root: dir}}}, []string{"a"}, mft.Count{Items: 1, Bytes: 3}, true, mft.CodeOK, 0},
		{"what it may no longer have", mft.Transfer{Requested: true, Sources: []string{a}}, Place{Grants: []mft.Grant{{Root: dir + "/deep"}}}, nil, mft.Count{}, false, mft.CodeNotAllowed, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gone := 0
			tt.place.Missing = func(error) { gone++ }
			s, err := Open(tt.row, tt.place)
			if mft.CodeOf(err) != tt.code {
				// A link may be sent as a link; what matters is that it is not followed.
				if tt.code == mft.CodeSymlink && err == nil {
					defer s.Close()
					if sum, _ := s.Announced(t.Context()); sum.Bytes == 0 {
						return
					}
				}
				t.Fatalf("Open = %v, want code %s", err, tt.code)
			}
			if gone != tt.gone {
				t.Errorf("told of %d that have gone, want %d", gone, tt.gone)
			}
			if err != nil {
				return
			}
			defer s.Close()
			got := paths(t, s)
			if len(got) != len(tt.want) {
				t.Fatalf("items = %q, want %q", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("items = %q, want %q", got, tt.want)
				}
			}
			if sum, err := s.Announced(t.Context()); err != nil || sum != tt.sum {
				t.Errorf("Announced = %+v, %v, want %+v", sum, err, tt.sum)
			}
			if got := s.Single(); got != tt.single {
				t.Errorf("Single = %v, want %v", got, tt.single)
			}
		})
	}
}

func TestAnnouncedLeavesDirectoriesOpen(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "d/a", "1")
	s, err := Open(mft.Transfer{Sources: []string{dir + "/d"}}, Place{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if sum, err := s.Announced(t.Context()); err != nil || sum != (mft.Count{}) {
		t.Errorf("Announced of a directory = %+v, %v, want nothing before the scan", sum, err)
	}
}

func TestGrant(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "out/d/a", "1")
	write(t, dir, "secret", "2")
	grants := []mft.Grant{{Root: dir + "/out"}}
	for _, tt := range []struct {
		name, path, want string
		code             mft.Code
	}{
		{"a file", dir + "/out/d/a", dir + "/out/d/a", mft.CodeOK},
		{"a directory", dir + "/out/d", dir + "/out/d", mft.CodeOK},
		{"its contents", dir + "/out/d/", dir + "/out/d/", mft.CodeOK},
		{"a pattern", dir + "/out/d/*", dir + "/out/d/*", mft.CodeOK},
		{"nothing there", dir + "/out/none", "", mft.CodeNotFound},
		{"outside", dir + "/secret", "", mft.CodeNotAllowed},
		{"out and in again", dir + "/out/../secret", "", mft.CodeBadPath},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Grant(&mft.Request{Path: tt.path}, grants)
			if mft.CodeOf(err) != tt.code || got != tt.want {
				t.Errorf("Grant(%q) = %q, %v, want %q, code %s", tt.path, got, err, tt.want, tt.code)
			}
		})
	}
}
