package mft_test

import (
	"testing"

	"mft.dev/mft"
)

func TestPreserveText(t *testing.T) {
	for p, want := range map[mft.Preserve]string{0: "", mft.PreserveXAttrs: "xattrs", mft.PreserveACLs: "acls", mft.PreserveLinks: "links", mft.PreserveAll: "xattrs,acls,links"} {
		b, err := p.MarshalText()
		if string(b) != want || err != nil {
			t.Errorf("%d is %q, %v, want %q", p, b, err, want)
		}
		var back mft.Preserve
		if err := back.UnmarshalText(b); back != p || err != nil {
			t.Errorf("%q is %d, %v, want %d", b, back, err, p)
		}
	}
	for _, bad := range []string{"forks", "xattrs,", "xattrs, acls"} {
		var p mft.Preserve
		if err := p.UnmarshalText([]byte(bad)); mft.CodeOf(err) != mft.CodeUsage {
			t.Errorf("%q: error %v", bad, err)
		}
	}
}
