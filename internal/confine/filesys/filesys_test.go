package filesys

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

func TestModes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]uint32{
			typeRegular, typeDir, typeSymlink, typePipe, typeSocket, typeBlock, typeChar,
		}).Draw(t, "kind")
		want := kind | rapid.Uint32Range(0, 0o7777).Draw(t, "bits")
		if got := UnixMode(GoMode(want)); got != want {
			t.Fatalf("UnixMode(GoMode(%o)) = %o", want, got)
		}
	})
	if got := GoMode(0o160000 | 0o644); got != fs.ModeIrregular|0o644 {
		t.Errorf("GoMode of an unknown type is %v, want irregular", got)
	}
}

func TestProduct(t *testing.T) {
	const most = 1<<63 - 1
	for _, tt := range []struct {
		a, b uint64
		want int64
	}{{0, 0, 0}, {3, 4, 12}, {1 << 62, 1, 1 << 62}, {1 << 62, 2, most}, {1<<64 - 1, 4096, most}, {most, 1, most}} {
		if got := product(tt.a, tt.b); got != tt.want {
			t.Errorf("product(%d, %d) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestCodeFor(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want mft.Code
	}{
		{"nothing", nil, mft.CodeOK},
		{"own", Refuse(mft.CodeSymlink, "it is a link"), mft.CodeSymlink},
		{"has a code", mft.Fail(mft.CodeChanged, "read", "x", syscall.ENOENT), mft.CodeChanged},
		{"path error", &os.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}, mft.CodeNotFound},
		{"link error", &os.LinkError{Op: "rename", Old: "x", New: "y", Err: syscall.EEXIST}, mft.CodeExists},
		{"not exist", os.ErrNotExist, mft.CodeNotFound},
		{"exist", os.ErrExist, mft.CodeExists},
		{"permission", os.ErrPermission, mft.CodePermission},
		{"anything", errors.New("strange"), mft.CodeOther},
		{"unknown number", syscall.Errno(9999), mft.CodeOther},
	} {
		if got := CodeFor(tt.err); got != tt.want {
			t.Errorf("%s: CodeFor = %q, want %q", tt.name, got, tt.want)
		}
	}
}
