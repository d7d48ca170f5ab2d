package content

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// A Shape describes a tree of directories two levels deep.
type Shape struct {
	Files int
	Dirs  int // those that hold files
	Size  int // of each file, in bytes
}

// Grow makes a tree of the given shape at root, which must not be there. Each
// file holds different bytes.
func Grow(root string, s Shape, seed uint64) error {
	// As many directories in a directory as there are directories of those.
	wide := 1
	for wide*wide < s.Dirs {
		wide++
	}
	r := noise(seed)
	block := make([]byte, s.Size)
	made := 0
	for d := range s.Dirs {
		dir := filepath.Join(root, fmt.Sprintf("part-%03d", d/wide), fmt.Sprintf("shelf-%03d", d%wide))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		for ; made < s.Files*(d+1)/s.Dirs; made++ {
			if _, err := r.Read(block); err != nil {
				return err
			}
			if err := write(filepath.Join(dir, fmt.Sprintf("record-%07d.dat", made)), bytes.NewReader(block), Epoch()); err != nil {
				return err
			}
		}
	}
	return nil
}

// Churn changes a share of the files of a tree as a day's work does: as many
// are rewritten, as many are new, and as many are gone. Every round changes
// others.
func Churn(root string, share float64, round int, seed uint64) error {
	var files []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	pick := rand.New(rand.NewPCG(seed, uint64(round)))
	pick.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	n := max(1, int(share*float64(len(files))))
	if len(files) < 3*n {
		return fmt.Errorf("%d files are too few to change %d, add %d and remove %d", len(files), n, n, n)
	}
	fresh := noise(seed + uint64(round)<<32)
	block := make([]byte, 4096)
	for i, path := range files[:n] {
		added := filepath.Join(filepath.Dir(files[n+i]), fmt.Sprintf("added-%03d-%05d.dat", round, i))
		for _, p := range []string{path, added} {
			if _, err := fresh.Read(block); err != nil {
				return err
			}
			if err := write(p, bytes.NewReader(block), At(round)); err != nil {
				return err
			}
		}
		if err := os.Remove(files[2*n+i]); err != nil {
			return err
		}
	}
	return nil
}
