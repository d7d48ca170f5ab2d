package marks

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mft.dev/mft"
	"mft.dev/mft/transfer/delta"
)

const place = "beta\x00\x00/srv/in/\x00big"

func sent(size int64, fill byte) *Sent {
	return &Sent{Transfer: mft.TransferID{fill}, Digest: mft.Digest{fill}, Failed: 1, Rest: 2, Record: *record(size, fill)}
}

func wantSent(t *testing.T, s *Store, place string, want *Sent) {
	t.Helper()
	if diff := cmp.Diff(want, s.FindSent(place)); diff != "" {
		t.Errorf("FindSent(%q) (-want +got):\n%s", place, diff)
	}
}

func TestFindSent(t *testing.T) {
	dir := t.TempDir()
	s := open(dir)
	wantSent(t, s, place, nil)
	s.KeepSent(place, sent(1<<20, 1))
	s.KeepSent(place+"2", sent(1<<21, 2))
	s.KeepSent(place, sent(1<<22, 3))
	wantSent(t, s, place, sent(1<<22, 3))
	wantSent(t, s, place+"2", sent(1<<21, 2))
	useless := &Sent{Failed: 3, Rest: 7, Record: delta.Record{Marks: []byte{}}}
	s.KeepSent(place, useless)
	s = open(dir)
	wantSent(t, s, place, useless)
	if err := s.Forget(place); err != nil {
		t.Fatal(err)
	}
	wantSent(t, s, place, nil)
}

func TestSentDamage(t *testing.T) {
	const size = 1 << 20
	few := sent(size, 1)
	few.Record.Marks = few.Record.Marks[delta.MarkSize:]
	for _, tt := range []struct {
		name string
		make func(b []byte) []byte
	}{
		{"a bit", func(b []byte) []byte { b[len(b)/2] ^= 4; return b }},
		{"the end is missing", func(b []byte) []byte { return b[:len(b)-1] }},
		{"nearly all is missing", func(b []byte) []byte { return b[:5] }},
		{"empty", func([]byte) []byte { return nil }},
		{"what a receiver keeps", func([]byte) []byte { return encode(place, identity(size), record(size, 1)) }},
		{"another place", func([]byte) []byte { return encodeSent("another", sent(size, 1)) }},
		{"too few marks", func([]byte) []byte { return encodeSent(place, few) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			open(dir).KeepSent(place, sent(size, 1))
			p := filepath.Join(dir, nameOf(place))
			content, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p, tt.make(content), 0o600); err != nil {
				t.Fatal(err)
			}
			wantSent(t, open(dir), place, nil)
			if got := files(t, dir); len(got) != 0 {
				t.Errorf("the directory has %q", got)
			}
		})
	}
}

func FuzzParseSent(f *testing.F) {
	good := encodeSent(place, sent(1<<20, 1))
	f.Add(good, true)
	f.Add(good[:len(good)-32], true)
	f.Add(encodeSent(place, &Sent{}), false)
	f.Add([]byte(sentMagic), false)
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		if seal {
			b = sealed(b)
		}
		if s, err := parseSent(b, place); err == nil && len(s.Record.Marks) > 0 && !s.Record.Whole() {
			t.Errorf("parseSent = %+v", s)
		}
	})
}
