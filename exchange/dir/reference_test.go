package dir

import (
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/dir/layout"
)

// FuzzReferences reads what strangers wrote: whatever is taken for a reference is
// written the same way, and leads to the directory of an object.
func FuzzReferences(f *testing.F) {
	const token = "0123456789abcdef0123456789abcdef"
	for _, s := range []string{
		reference{"alpha", "object", layout.Grant{Until: 1 << 40, Token: token}}.String(),
		"alpha/../g-000000000000-" + token, "alpha/object/g-000000000000-" + token + "/..", "../object/g-000000000000-" + token, "//", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parseReference(s)
		if err != nil {
			if mft.CodeOf(err) != mft.CodeBadPath {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		if r.String() != s || len(s) > exchange.MaxRef || strings.Count(r.dir(), "/") != 2 || strings.Contains(s, "..") {
			t.Errorf("%q was read as %v", s, r)
		}
	})
}
