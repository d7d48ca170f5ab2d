package courier_test

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

// A shipment is one transfer, and what an independent observer knows of it.
type shipment struct {
	id        mft.TransferID
	to        *end
	src, dst  string
	overwrite mft.Overwrite
	between   func() // called between two attempts; nil does nothing

	heard, done chan struct{}

	mu       sync.Mutex
	errs     []error
	receipt  mft.Receipt
	versions map[string]map[mft.Digest]bool // of each file that ever was there
	steady   map[string]mft.Digest          // files that were there all the time, as they were
}

// landings says what lay at a destination when its receipt was given.
type landings struct {
	mu sync.Mutex
	at map[string]map[string]os.FileInfo
}

var landed = landings{at: map[string]map[string]os.FileInfo{}}

// delivered notes what lies at a destination before its receipt is given, once.
func (e *end) delivered(ctx context.Context, id mft.TransferID) {
	l, _, err := e.journal.Landing(ctx, id)
	if err != nil {
		return // nor can the receipt be given
	}
	root := l.Root
	landed.mu.Lock()
	defer landed.mu.Unlock()
	if _, err := os.Stat(root); err == nil && landed.at[root] == nil {
		landed.at[root] = infos(e.t, root)
	}
}

func infos(t testing.TB, root string) map[string]os.FileInfo {
	out := map[string]os.FileInfo{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		fi, err := d.Info()
		rel, _ := filepath.Rel(root, path)
		out[rel] = fi
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return out
}

// newShipment makes a tree of 1 to 30 files below top, and a shipment of it.
func newShipment(t testing.TB, r *rand.Rand, n int, to *end, top string) *shipment {
	t.Helper()
	s := &shipment{
		to: to, src: filepath.Join(top, fmt.Sprintf("src-%d", n)), dst: filepath.Join(top, fmt.Sprintf("dst-%d", n)), overwrite: mft.OverwriteNever,
		heard: make(chan struct{}, 1), done: make(chan struct{}), versions: map[string]map[mft.Digest]bool{}, steady: map[string]mft.Digest{},
	}
	for i := range s.id {
		s.id[i] = byte(r.Uint32())
	}
	must(t, os.Mkdir(s.dst, 0o755))
	for i := range 1 + r.IntN(1+r.IntN(30)) {
		size := r.IntN(1 << r.IntN(13))
		if r.IntN(20) == 0 {
			size = r.IntN(5 * part)
		}
		name := fmt.Sprintf("d%d/f%d", i%3, i)
		s.write(t, name, noise(r, size))
		s.steady[name] = s.only(name)
	}
	if r.IntN(4) == 0 {
		s.overwrite = mft.OverwriteReplace
		s.between = s.change(t, rand.New(rand.NewPCG(uint64(n), 7)))
	}
	return s
}

// change returns what changes a file, or renames it, now and then.
func (s *shipment) change(t testing.TB, r *rand.Rand) func() {
	left := 2
	return func() {
		if left--; left < 0 || r.IntN(2) == 0 {
			return
		}
		for name := range s.steady { // any
			delete(s.steady, name)
			if r.IntN(2) == 0 {
				s.write(t, name, noise(r, r.IntN(3*part)))
				return
			}
			s.mu.Lock()
			s.versions[name+".moved"] = s.versions[name]
			s.mu.Unlock()
			must(t, os.Rename(filepath.Join(s.src, name), filepath.Join(s.src, name+".moved")))
			return
		}
	}
}

func (s *shipment) write(t testing.TB, name string, content []byte) {
	t.Helper()
	path := filepath.Join(s.src, name)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	s.mu.Lock()
	if s.versions[name] == nil {
		s.versions[name] = map[mft.Digest]bool{}
	}
	s.versions[name][protocol.HashOf(content)] = true
	s.mu.Unlock()
	must(t, os.WriteFile(path+"~", content, 0o644))
	old := time.Now().Add(-time.Hour).Add(time.Duration(len(content)) * time.Microsecond)
	must(t, os.Chtimes(path+"~", old, old))
	must(t, os.Rename(path+"~", path))
}

// only returns the digest of the only version.
func (s *shipment) only(name string) (d mft.Digest) {
	for d = range s.versions[name] {
	}
	return d
}

func noise(r *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

func (s *shipment) poke() {
	select {
	case s.heard <- struct{}{}:
	default:
	}
}

func (s *shipment) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}

func (s *shipment) finish(r mft.Receipt) {
	s.mu.Lock()
	s.receipt = r
	s.mu.Unlock()
	close(s.done)
}

// check compares what arrived with what was sent, and with what lay there when
// the receipt was given.
func (s *shipment) check(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.receipt
	there := infos(t, s.dst)
	files := 0
	for name, fi := range there {
		if strings.Contains(name, ".mft") {
			t.Errorf("%v: %s was left behind", s.id, name)
		}
		if fi.IsDir() {
			continue
		}
		files++
		b, err := os.ReadFile(filepath.Join(s.dst, name))
		if err != nil || !s.versions[name][protocol.HashOf(b)] {
			t.Errorf("%v: %s is no version of what was sent (%d bytes, %v)", s.id, name, len(b), err)
		}
		if d, ok := s.steady[name]; ok && d != protocol.HashOf(b) {
			t.Errorf("%v: %s is not what was sent", s.id, name)
		}
	}
	for name := range s.steady {
		if there[name] == nil {
			t.Errorf("%v: %s is missing", s.id, name)
		}
	}
	if s.between == nil && (r.Code != mft.CodeOK || r.Failed != 0 || r.Unchanged.Items != 0 || r.Received.Items != int64(len(there))) {
		t.Errorf("%v: the receipt is %+v, want %d items received and nothing else", s.id, r, len(there))
	}
	landed.mu.Lock()
	then := landed.at[s.dst]
	landed.at[s.dst] = map[string]os.FileInfo{} // a letter that comes again finds nothing to note: the directory goes
	landed.mu.Unlock()
	if len(then) != len(there) {
		t.Errorf("%v: %d items lie there, %d did when the receipt was given", s.id, len(there), len(then))
	}
	for name, fi := range there {
		if old := then[name]; old == nil || !fi.IsDir() && (!os.SameFile(old, fi) || !old.ModTime().Equal(fi.ModTime())) {
			t.Errorf("%v: %s was written again after the receipt", s.id, name)
		}
	}
}

// wait waits for the receipt.
func (s *shipment) wait(ctx context.Context, t testing.TB) {
	t.Helper()
	select {
	case <-s.done:
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		t.Fatalf("%v did not arrive; after %d attempts, the last: %v", s.id, len(s.errs), s.errs[max(0, len(s.errs)-6):])
	}
}
