package canary

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
		{"something else to an older one", mft.Transfer{Overwrite: mft.OverwriteNever}, protocol.Version, mft.CodeOK},
	} {
		err := Understood(tt.t, tt.speaks)
		if mft.CodeOf(err) != tt.want || err != nil && !strings.Contains(err.Error(), "update it") {
			t.Errorf("%s: %v, want code %s and what to do", tt.name, err, tt.want)
		}
	}
}
