package order

import (
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

func TestUnderstood(t *testing.T) {
	canary := mft.Transfer{Peer: "beta", Overwrite: mft.OverwriteCanary}
	for _, tt := range []struct {
		name   string
		t      mft.Transfer
		speaks uint8
		want   mft.Code
	}{
		{"a peer that knows canaries", canary, protocol.VersionCanary, mft.CodeOK},
		{"an older one", canary, protocol.VersionMarkers, mft.CodeVersion},
		{"attributes to a peer that knows them", mft.Transfer{Preserve: mft.PreserveXAttrs}, protocol.VersionXAttrs, mft.CodeOK},
		{"attributes to an older one", mft.Transfer{Preserve: mft.PreserveACLs}, protocol.VersionCanary, mft.CodeVersion},
		{"something else to an older one", mft.Transfer{Overwrite: mft.OverwriteNever}, protocol.Version, mft.CodeOK},
	} {
		conv := &speaker{speaks: tt.speaks}
		err := Understood(tt.t, conv)
		if conv.closed != (err != nil) {
			t.Errorf("%s: closed %t, %v", tt.name, conv.closed, err)
		}
		if mft.CodeOf(err) != tt.want || err != nil && !strings.Contains(err.Error(), "update it") {
			t.Errorf("%s: %v, want code %s and what to do", tt.name, err, tt.want)
		}
	}
}

type speaker struct {
	speaks uint8
	closed bool
}

func (s *speaker) Speaks() uint8 { return s.speaks }

func (s *speaker) Close() { s.closed = true }
