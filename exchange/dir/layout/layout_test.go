package layout

import (
	"strings"
	"testing"
	"time"
)

const someToken = "0123456789abcdef0123456789abcdef"

// FuzzNames reads what strangers wrote: whatever is taken for a name is written
// the same way, and stays in its directory.
func FuzzNames(f *testing.F) {
	for _, s := range []string{
		Letter{Put: 1, ID: someToken, Taken: 2, Until: 3, Claim: someToken}.String(),
		Layer{7, someToken}.String(),
		Grant{1 << 40, someToken}.String(),
		"l-0-0-0-0-0", "p--1-1-1", "g-ffffffffffff-" + someToken, "../g-000000000000-" + someToken, "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name := ""
		if n, ok := ParseLetter(s); ok {
			name = n.String()
		} else if n, ok := ParseLayer(s); ok {
			name = n.String()
		} else if n, ok := ParseGrant(s); ok {
			name = n.String()
		} else {
			return
		}
		if name != s || strings.ContainsAny(s, "/\\.\x00") {
			t.Errorf("%q was read as %q", s, name)
		}
	})
}

func TestLetterNames(t *testing.T) {
	n := Letter{Put: 5, ID: someToken, Claim: someToken}
	for range 3 {
		n = n.TakenAgain()
	}
	m := n.Leased(time.UnixMilli(77))
	if m.Taken != 3 || m.Until != 77 || m.ID != n.ID || m.Put != n.Put || m.Claim == n.Claim {
		t.Errorf("leased: %+v, of %+v", m, n)
	}
	n.Taken = 1<<16 - 1
	if got, ok := ParseLetter(n.TakenAgain().String()); !ok || got.Taken != 1<<16-1 {
		t.Errorf("taken too often: %+v, %v", got, ok)
	}
	for what, end := range map[string]time.Time{"before 1970": time.Unix(-1, 0), "far away": time.Unix(1<<40, 0)} {
		if m := n.Leased(end); !isHex(strings.Split(m.String(), "-")[4], timeSize) {
			t.Errorf("a lease that ends %s: %v", what, m)
		}
	}
}

func TestForeignNames(t *testing.T) {
	for _, s := range []string{
		"l-000000000001-" + someToken + "-0000-000000000000-" + strings.ToUpper(someToken),
		"l-000000000001-" + someToken + "-0000-000000000000-" + someToken + "-",
		"l-+00000000001-" + someToken + "-0000-000000000000-" + someToken,
		"s-0000-" + someToken, "s-001-" + someToken, "s-00001-" + someToken, "s-0001-" + someToken + "/..", "s-0001",
		"g-00000000000-" + someToken, "g-000000000000-" + someToken + "0",
	} {
		_, letter := ParseLetter(s)
		_, layer := ParseLayer(s)
		_, grant := ParseGrant(s)
		if letter || layer || grant {
			t.Errorf("%q was taken for a name", s)
		}
	}
}
