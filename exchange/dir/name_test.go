package dir

import (
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

const someToken = "0123456789abcdef0123456789abcdef"

// FuzzNames reads what strangers wrote: whatever is taken for a name is written
// the same way, and stays in its directory.
func FuzzNames(f *testing.F) {
	for _, s := range []string{
		letterName{put: 1, id: someToken, taken: 2, until: 3, claim: someToken}.String(),
		objectName{someToken, 40_000, 8 << 20, 1}.String(),
		grantName{1 << 40, someToken}.String(),
		reference{"alpha", "object", grantName{1 << 40, someToken}}.String(),
		"l-0-0-0-0-0", "p--1-1-1", "g-ffffffffffff-" + someToken, "alpha/../g-000000000000-" + someToken, "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name := ""
		if n, ok := parseLetterName(s); ok {
			name = n.String()
		} else if n, ok := parseObjectName(s); ok {
			name = n.String()
			if n.total() < 1 || n.total() > maxBlocks*maxBlock {
				t.Errorf("%q has %d bytes", s, n.total())
			}
		} else if n, ok := parseGrantName(s); ok {
			name = n.String()
		} else if r, err := parseReference(s); err == nil {
			if r.String() != s || len(s) > exchange.MaxRef || strings.Count(r.dir(), "/") != 2 || strings.Contains(s, "..") {
				t.Errorf("%q was read as %v", s, r)
			}
			return
		} else if mft.CodeOf(err) != mft.CodeBadPath {
			t.Errorf("%q: %v", s, err)
			return
		} else {
			return
		}
		if name != s || strings.ContainsAny(s, "/\\.\x00") {
			t.Errorf("%q was read as %q", s, name)
		}
	})
}

func TestLetterNames(t *testing.T) {
	n := letterName{put: 5, id: someToken, claim: someToken}
	for range 3 {
		n = n.takenAgain()
	}
	m := n.leased(time.UnixMilli(77))
	if m.taken != 3 || m.until != 77 || m.id != n.id || m.put != n.put || m.claim == n.claim {
		t.Errorf("leased: %+v, of %+v", m, n)
	}
	n.taken = 1<<16 - 1
	if got, ok := parseLetterName(n.takenAgain().String()); !ok || got.taken != 1<<16-1 {
		t.Errorf("taken too often: %+v, %v", got, ok)
	}
	for what, end := range map[string]time.Time{"before 1970": time.Unix(-1, 0), "far away": time.Unix(1<<40, 0)} {
		if m := n.leased(end); !isHex(strings.Split(m.String(), "-")[4], timeSize) {
			t.Errorf("a lease that ends %s: %v", what, m)
		}
	}
}

func TestForeignNames(t *testing.T) {
	for _, s := range []string{
		"l-000000000001-" + someToken + "-0000-000000000000-" + strings.ToUpper(someToken),
		"l-000000000001-" + someToken + "-0000-000000000000-" + someToken + "-",
		"l-+00000000001-" + someToken + "-0000-000000000000-" + someToken,
		"p-" + someToken + "-0-1-1", "p-" + someToken + "-1-1-2", "p-" + someToken + "-01-1-1", "p-" + someToken + "-+1-1-1",
		"p-" + someToken + "-50001-1-1", "p-" + someToken + "-1-268435457-1", "p-" + someToken + "-1-99999999999999999999-1",
		"g-00000000000-" + someToken, "g-000000000000-" + someToken + "0",
	} {
		_, letter := parseLetterName(s)
		_, object := parseObjectName(s)
		_, grant := parseGrantName(s)
		if letter || object || grant {
			t.Errorf("%q was taken for a name", s)
		}
	}
}
