package transfer

import (
	"path"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

func TestAdmit(t *testing.T) {
	in := mft.Grant{Agent: "alpha", Root: "/srv/in"}
	deep := mft.Grant{Agent: "alpha", Root: "/srv/in/deep", AllowSetID: true}
	all := mft.Grant{Agent: "alpha", Root: "/"}
	tests := []struct {
		name        string
		destination string
		single      bool
		grants      []mft.Grant
		want        journal.Landing
		code        mft.Code
	}{
		{"nobody may", "/srv/in/", false, nil, journal.Landing{}, mft.CodeNotAllowed},
		{"the root itself", "/srv/in/", false, []mft.Grant{in}, journal.Landing{Root: "/srv/in"}, ""},
		{"the root, single, no slash", "/srv/in", true, []mft.Grant{in}, journal.Landing{Root: "/srv/in"}, ""},
		{"below", "/srv/in/a/b", false, []mft.Grant{in}, journal.Landing{Root: "/srv/in", Dir: "a/b"}, ""},
		{"single file name", "/srv/in/a/b", true, []mft.Grant{in}, journal.Landing{Root: "/srv/in", Dir: "a", Name: "b"}, ""},
		{"single into directory", "/srv/in/a/b/", true, []mft.Grant{in}, journal.Landing{Root: "/srv/in", Dir: "a/b"}, ""},
		{"relative", "a", true, []mft.Grant{in}, journal.Landing{Root: "/srv/in", Name: "a"}, ""},
		{"relative directory", "a/", true, []mft.Grant{in}, journal.Landing{Root: "/srv/in", Dir: "a"}, ""},
		{"here", ".", true, []mft.Grant{in}, journal.Landing{Root: "/srv/in"}, ""},
		{"doubled slashes", "/srv//in///a", true, []mft.Grant{in}, journal.Landing{Root: "/srv/in", Name: "a"}, ""},
		{"root with slash at its end", "/srv/in/a", true, []mft.Grant{{Root: "/srv/in/"}}, journal.Landing{Root: "/srv/in/", Name: "a"}, ""},
		{"longest root wins", "/srv/in/deep/x/", false, []mft.Grant{in, deep, all}, journal.Landing{Root: "/srv/in/deep", Dir: "x", AllowSetID: true}, ""},
		{"everything allowed", "/etc/cron.d/x", true, []mft.Grant{all}, journal.Landing{Root: "/", Dir: "etc/cron.d", Name: "x"}, ""},
		{"sibling prefix", "/srv/in2/a", true, []mft.Grant{in}, journal.Landing{}, mft.CodeNotAllowed},
		{"above", "/srv", false, []mft.Grant{in}, journal.Landing{}, mft.CodeNotAllowed},
		{"elsewhere", "/etc/passwd", true, []mft.Grant{in}, journal.Landing{}, mft.CodeNotAllowed},
		{"dot dot", "/srv/in/../../etc/passwd", true, []mft.Grant{in}, journal.Landing{}, mft.CodeBadPath},
		{"dot dot that would stay", "/srv/in/a/../b", true, []mft.Grant{in}, journal.Landing{}, mft.CodeBadPath},
		{"relative dot dot", "../x", true, []mft.Grant{in}, journal.Landing{}, mft.CodeBadPath},
		{"NUL", "/srv/in/a\x00b", true, []mft.Grant{in}, journal.Landing{}, mft.CodeBadPath},
		{"empty", "", true, []mft.Grant{in}, journal.Landing{}, mft.CodeBadPath},
		{"too long", "/srv/in/" + strings.Repeat("x", 4096), true, []mft.Grant{in}, journal.Landing{}, mft.CodeBadPath},
		{"newline is a legal byte", "/srv/in/a\nb", true, []mft.Grant{in}, journal.Landing{Root: "/srv/in", Name: "a\nb"}, ""},
		{"dots in names are legal", "/srv/in/..a/b..", true, []mft.Grant{in}, journal.Landing{Root: "/srv/in", Dir: "..a", Name: "b.."}, ""},
		{"path of another kind of host", "C:/in/a", true, []mft.Grant{in}, journal.Landing{}, mft.CodeNotAllowed},
		{"drive", "C:/in/a", true, []mft.Grant{{Root: "C:/in"}}, journal.Landing{Root: "C:/in", Name: "a"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Admit(&mft.Offer{Destination: tt.destination, Single: tt.single}, tt.grants)
			if code := mft.CodeOf(err); got != tt.want || (code != tt.code && !(code.OK() && tt.code.OK())) {
				t.Errorf("Admit(%q) = %+v, %v; want %+v, %q", tt.destination, got, err, tt.want, tt.code)
			}
		})
	}
}

func TestAdmitRequest(t *testing.T) {
	grants := []mft.Grant{{Root: "/srv/out"}}
	tests := []struct {
		path, rel string
		code      mft.Code
	}{
		{"/srv/out/a", "a", ""},
		{"/srv/out/d/", "d/", ""},
		{"/srv/out", "", ""},
		{"d/*.csv", "d/*.csv", ""},
		{"/srv/out2/a", "", mft.CodeNotAllowed},
		{"/srv/out/../x", "", mft.CodeBadPath},
	}
	for _, tt := range tests {
		_, rel, err := AdmitRequest(&mft.Request{Path: tt.path}, grants)
		if code := mft.CodeOf(err); rel != tt.rel || (code != tt.code && !(code.OK() && tt.code.OK())) {
			t.Errorf("AdmitRequest(%q) = %q, %v; want %q, %q", tt.path, rel, err, tt.rel, tt.code)
		}
	}
}

func TestLandingFor(t *testing.T) {
	tests := []struct {
		destination string
		want        journal.Landing
	}{
		{"/tmp/x", journal.Landing{Root: "/tmp", Name: "x"}},
		{"/tmp/x/", journal.Landing{Root: "/tmp/x"}},
		{"/x", journal.Landing{Root: "/", Name: "x"}},
		{"/", journal.Landing{Root: "/"}},
		{"C:/dir/x", journal.Landing{Root: "C:/dir", Name: "x"}},
	}
	for _, tt := range tests {
		got, err := LandingFor(tt.destination)
		if err != nil || got != tt.want {
			t.Errorf("LandingFor(%q) = %+v, %v; want %+v", tt.destination, got, err, tt.want)
		}
	}
}

// TestAdmitNeverLeaves: whatever the destination, what is admitted is at or
// below the root of a grant, component by component.
func TestAdmitNeverLeaves(t *testing.T) {
	component := rapid.SampledFrom([]string{"", ".", "..", "srv", "in", "in2", "a", "\n", "\xff", "...", " ", "C:", "*"})
	rapid.Check(t, func(t *rapid.T) {
		destination := strings.Join(rapid.SliceOfN(component, 0, 7).Draw(t, "components"), "/")
		grants := []mft.Grant{{Root: "/srv/in"}, {Root: "/srv"}}[:rapid.IntRange(1, 2).Draw(t, "grants")]
		l, err := Admit(&mft.Offer{Destination: destination, Single: rapid.Bool().Draw(t, "single")}, grants)
		if err != nil {
			return
		}
		for _, p := range []string{l.Dir, l.Name} {
			if path.IsAbs(p) || p != "" && path.Clean(p) != p {
				t.Fatalf("Admit(%q) gives %+v: %q is not clean and relative", destination, l, p)
			}
			for c := range strings.SplitSeq(p, "/") {
				if c == ".." {
					t.Fatalf("Admit(%q) gives %+v: it climbs", destination, l)
				}
			}
		}
		if strings.Contains(l.Name, "/") {
			t.Fatalf("Admit(%q) gives the name %q", destination, l.Name)
		}
		if l.Root != "/srv/in" && l.Root != "/srv" {
			t.Fatalf("Admit(%q) gives the root %q", destination, l.Root)
		}
	})
}
