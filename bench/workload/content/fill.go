package content

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"
)

// noise returns bytes without end that nothing compresses.
func noise(seed uint64) *rand.ChaCha8 {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return rand.NewChaCha8(key)
}

// Noise makes a file that nothing compresses.
func Noise(path string, size int64, seed uint64) error {
	return write(path, io.LimitReader(noise(seed), size), Epoch())
}

// write makes a file of what r has, of the given time.
func write(path string, r io.Reader, at time.Time) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{f}, r, make([]byte, 1<<20)); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Close(), os.Chtimes(path, at, at))
}

// Text makes a file of lines as a log has them: times that go on, and words of
// which some are frequent.
func Text(path string, size int64, seed uint64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	r := rand.New(rand.NewPCG(seed, 1))
	words := vocabulary(r, 4096)
	often := rand.NewZipf(r, 1.2, 4, uint64(len(words)-1))
	var line []byte
	for at := Epoch(); size > 0; at = at.Add(time.Duration(r.IntN(2000)) * time.Millisecond) {
		line = at.AppendFormat(line[:0], "2006-01-02T15:04:05.000Z")
		line = fmt.Appendf(line, " host%02d app[%d]:", r.IntN(32), 1000+r.IntN(500))
		for range 6 + r.IntN(12) {
			line = append(append(line, ' '), words[often.Uint64()]...)
		}
		line = append(line, '\n')
		line = line[:min(int64(len(line)), size)]
		size -= int64(len(line))
		if _, err := w.Write(line); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(w.Flush(), f.Close(), os.Chtimes(path, Epoch(), Epoch()))
}

// vocabulary makes words of two to five syllables.
func vocabulary(r *rand.Rand, n int) [][]byte {
	const onsets, vowels = "bcdfghklmnprstvw", "aeiou"
	words := make([][]byte, n)
	for i := range words {
		for range 2 + r.IntN(4) {
			words[i] = append(words[i], onsets[r.IntN(len(onsets))], vowels[r.IntN(len(vowels))])
		}
	}
	return words
}
