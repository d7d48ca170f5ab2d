package content

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
)

const editBlock = 4096

// Scatter overwrites a share of the 4 KiB blocks of a file, here and there, in
// place. Every round overwrites others.
func Scatter(path string, share float64, round int, seed uint64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	blocks := info.Size() / editBlock
	fresh := noise(seed + uint64(round)<<32)
	pick := rand.New(rand.NewPCG(seed, uint64(round)))
	block := make([]byte, editBlock)
	for range max(1, int64(share*float64(blocks))) {
		if _, err := fresh.Read(block); err != nil {
			return errors.Join(err, f.Close())
		}
		if _, err := f.WriteAt(block, pick.Int64N(blocks)*editBlock); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(f.Close(), os.Chtimes(path, At(round), At(round)))
}

// Insert puts n new bytes into a file at an offset, so that everything behind
// moves. The file is written anew, as an editor does.
func Insert(path string, offset, n int64, round int, seed uint64) error {
	old, err := os.Open(path)
	if err != nil {
		return err
	}
	defer old.Close()
	aside := path + ".new"
	err = write(aside, io.MultiReader(io.LimitReader(old, offset), io.LimitReader(noise(seed+uint64(round)<<32), n), old), At(round))
	if err != nil {
		return err
	}
	return os.Rename(aside, path)
}
