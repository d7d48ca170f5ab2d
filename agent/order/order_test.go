package order

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
)

func TestNew(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, tt := range []struct {
		policy, want mft.Overwrite
		code         mft.Code
	}{
		{"", mft.OverwriteReplace, mft.CodeOK},
		{mft.OverwriteReplace, mft.OverwriteReplace, mft.CodeOK},
		{mft.OverwriteNever, mft.OverwriteNever, mft.CodeOK},
		{mft.OverwriteVersion, mft.OverwriteVersion, mft.CodeOK},
		{"maybe", "", mft.CodeUsage},
	} {
		t.Run(string(tt.policy), func(t *testing.T) {
			got, err := New(mft.TransferID{}, mft.RoleSend, "b", tt.policy, now)
			if mft.CodeOf(err) != tt.code || got.Overwrite != tt.want {
				t.Fatalf("New = %+v, %v, want %q, code %s", got, err, tt.want, tt.code)
			}
			if err == nil && (got.ID.IsZero() || got.State != mft.StatePlanned || got.Peer != "b" || !got.Created.Equal(now)) {
				t.Errorf("New = %+v, want a planned transfer to b", got)
			}
		})
	}
}

func TestIDsGrow(t *testing.T) {
	var last mft.TransferID
	for range 1000 {
		got, err := New(mft.TransferID{}, mft.RoleSend, "b", "", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Compare(last[:], got.ID[:]) >= 0 {
			t.Fatalf("%v follows %v, want that ids grow", got.ID, last)
		}
		if got.ID[6]>>4 != 7 {
			t.Fatalf("%v is not of version 7", got.ID)
		}
		last = got.ID
	}
}

func TestCheckPaths(t *testing.T) {
	for _, tt := range []struct {
		name, path    string
		local, remote mft.Code
	}{
		{"absolute", "/a/b", mft.CodeOK, mft.CodeOK},
		{"with odd bytes", "/a\xff\n*", mft.CodeOK, mft.CodeOK},
		{"relative", "a/b", mft.CodeBadPath, mft.CodeOK},
		{"of another system", `C:\in`, mft.CodeBadPath, mft.CodeOK},
		{"empty", "", mft.CodeBadPath, mft.CodeBadPath},
		{"with NUL", "/a\x00b", mft.CodeBadPath, mft.CodeBadPath},
		{"longest", "/" + strings.Repeat("a", 4095), mft.CodeOK, mft.CodeOK},
		{"too long", "/" + strings.Repeat("a", 4096), mft.CodeBadPath, mft.CodeBadPath},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mft.CodeOf(CheckRemote("copy", tt.path)); got != tt.remote {
				t.Errorf("CheckRemote = %s, want %s", got, tt.remote)
			}
			if got := mft.CodeOf(CheckLocal("copy", tt.path)); got != tt.local {
				t.Errorf("CheckLocal = %s, want %s", got, tt.local)
			}
		})
	}
}
