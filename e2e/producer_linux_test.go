package e2e

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// A ledger is an append-only list of what was produced: names and hashes.
type ledger struct {
	mu    sync.Mutex
	made  map[string]content
	order []string
}

// content is what is known of a file: the hash and the length of its bytes.
type content struct {
	sha  string
	size int64
}

func newLedger() *ledger { return &ledger{made: map[string]content{}} }

func (l *ledger) add(name string, c content) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made[name] = c
	l.order = append(l.order, name)
}

func (l *ledger) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.order)
}

// A producer makes files and enters them in its ledger before anybody can see
// them.
type producer struct {
	t      testing.TB
	dir    string
	ledger *ledger
	rnd    *rand.Rand
	next   int
	big    int64 // of a file that takes a while to move; 0 is big
}

const (
	small = 3 << 20
	big   = 64 << 20
)

// size draws the size of a file: mostly up to 3 MiB, sometimes empty,
// sometimes so big that it takes a while to move.
func (p *producer) size() int64 {
	switch p.rnd.IntN(20) {
	case 0:
		return 0
	case 1:
		least := cmp.Or(p.big, big)
		return least + p.rnd.Int64N(2*least)
	case 2, 3, 4, 5:
		return p.rnd.Int64N(4 << 10)
	default:
		return p.rnd.Int64N(small)
	}
}

// file makes one file and returns its path. It appears in the directory
// whole, as producers should do it.
func (p *producer) file() string {
	p.next++
	name := fmt.Sprintf("f%06d.bin", p.next)
	p.make(name, p.size())
	return filepath.Join(p.dir, name)
}

// tree makes a directory with a few files and returns its path.
func (p *producer) tree() string {
	p.next++
	top := fmt.Sprintf("d%06d", p.next)
	aside := filepath.Join(p.dir, ".new-"+top)
	if err := os.MkdirAll(filepath.Join(aside, "sub", "deeper"), 0o755); err != nil {
		p.t.Error(err)
	}
	for i, sub := range []string{"", "sub", "sub", "sub/deeper", ""} {
		rel := filepath.Join(sub, fmt.Sprintf("f%d.bin", i))
		c := fill(p.t, filepath.Join(aside, rel), p.rnd.Int64N(64<<10), p.rnd)
		p.ledger.add(filepath.Join(top, rel), c)
	}
	p.rename(aside, filepath.Join(p.dir, top))
	return filepath.Join(p.dir, top)
}

// make makes one file of a name and size.
func (p *producer) make(name string, size int64) {
	aside := filepath.Join(p.dir, ".new-"+filepath.Base(name))
	c := fill(p.t, aside, size, p.rnd)
	p.ledger.add(name, c)
	p.rename(aside, filepath.Join(p.dir, name))
}

func (p *producer) rename(from, to string) {
	if err := os.Rename(from, to); err != nil {
		p.t.Error(err)
	}
}

// fill writes a file of random bytes.
func fill(t testing.TB, path string, size int64, rnd *rand.Rand) content {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Error(err)
		return content{}
	}
	defer f.Close()
	var key [32]byte
	for i := range key {
		key[i] = byte(rnd.Uint32())
	}
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, sum), rand.NewChaCha8(key), size); err != nil {
		t.Error(err)
	}
	return content{hex.EncodeToString(sum.Sum(nil)), size}
}

// contentOf reads a file.
func contentOf(path string) (content, error) {
	f, err := os.Open(path)
	if err != nil {
		return content{}, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	return content{hex.EncodeToString(sum.Sum(nil)), n}, err
}
