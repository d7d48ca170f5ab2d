package patch

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
)

// TestHashed: whatever is read in whatever order, each byte is hashed once, and
// there is a digest for every CHECK.
func TestHashed(t *testing.T) {
	const size = 2*protocol.CheckEvery + 12_345
	content := make([]byte, size)
	for i := 0; i < size; i += 997 {
		content[i] = byte(i >> 3)
	}
	p := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(p, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	type read struct{ at, n int64 }
	for _, tt := range []struct {
		name   string
		offset int64
		reads  []read
	}{
		{"nothing is read", 0, nil},
		{"in order", 0, []read{{0, 1 << 20}, {1 << 20, 5}, {1<<20 + 5, 100}}},
		{"overlapping", 0, []read{{0, 1 << 20}, {77, 1 << 20}, {5, 9}}},
		{"leaping", 0, []read{{0, 1 << 20}, {20 << 20, 1 << 20}, {2 << 20, 1 << 20}}},
		{"a CHECK within a read", 0, []read{{0, 5}, {protocol.CheckEvery - 9, 20}}},
		{"from an offset", protocol.CheckEvery + 3, []read{{0, 100}, {protocol.CheckEvery, 100}, {20 << 20, 77}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := File{File: f, Size: size, Offset: tt.offset, Hash: transfer.NewHash()}
			file.Hash.Write(content[:tt.offset])
			h := &hashed{file: file, at: tt.offset, checks: newDigests()}
			r := h.reader(t.Context())
			for _, x := range tt.reads {
				if _, err := io.ReadFull(io.NewSectionReader(r, x.at, x.n), make([]byte, x.n)); err != nil {
					t.Fatal(err)
				}
			}
			if err := h.reach(t.Context(), size); err != nil {
				t.Fatal(err)
			}
			if file.Hash.Sum() != protocol.HashOf(content) {
				t.Error("the digest is another one")
			}
			for at := nextCheck(tt.offset); at <= size; at += protocol.CheckEvery {
				if d, ok := h.checks.take(); !ok || d != protocol.HashOf(content[:at]) {
					t.Errorf("the digest at %d is %v, %v", at, d, ok)
				}
			}
			if d, ok := h.checks.take(); ok {
				t.Errorf("digest %v is one too many", d)
			}
		})
	}
}

func TestHashedFails(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := &hashed{file: File{File: f, Size: 9, Hash: transfer.NewHash()}, checks: newDigests()}
	if err := h.reach(t.Context(), 9); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reach beyond the end = %v, want %v", err, io.ErrUnexpectedEOF)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.reach(ctx, 9); !errors.Is(err, context.Canceled) {
		t.Errorf("reach when interrupted = %v, want %v", err, context.Canceled)
	}
}

// TestDigestsAreNotBounded: whoever hashes never waits for whoever sends.
func TestDigestsAreNotBounded(t *testing.T) {
	d := newDigests()
	for i := range 5000 {
		d.add(mft.Digest{byte(i), byte(i >> 8)})
	}
	<-d.more
	for i := range 5000 {
		if x, ok := d.take(); !ok || x != (mft.Digest{byte(i), byte(i >> 8)}) {
			t.Fatalf("take = %v, %v, want number %d", x, ok, i)
		}
	}
}
