package confine

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// BenchmarkCreateRename is the way of a small file: made in one directory,
// given its attributes, and renamed into another.
func BenchmarkCreateRename(b *testing.B) {
	for _, mode := range []struct {
		name string
		mode RenameMode
	}{{"replace", RenameReplace}, {"no replace", RenameNoReplace}} {
		b.Run(mode.name, func(b *testing.B) {
			r, err := Open(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			if _, err := r.MkdirAll("stage", 0o755); err != nil {
				b.Fatal(err)
			}
			if _, err := r.MkdirAll("final", 0o755); err != nil {
				b.Fatal(err)
			}
			stage, err := r.Dir("stage")
			if err != nil {
				b.Fatal(err)
			}
			final, err := r.Dir("final")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				name := strconv.Itoa(n)
				n++
				f, err := stage.Create(name)
				if err != nil {
					b.Fatal(err)
				}
				if err := SetAttributes(f, Attributes{Mode: 0o644, MTime: 1e18, UID: -1, GID: -1}); err != nil {
					b.Fatal(err)
				}
				f.Close()
				if err := stage.Rename(name, final, name, mode.mode); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDir is what resolving costs, which happens for every file.
func BenchmarkDir(b *testing.B) {
	r, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	const rel = "one/two/three/four"
	if _, err := r.MkdirAll(rel, 0o755); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Dir(rel); err != nil {
			b.Fatal(err)
		}
	}
}

// benchTop makes files of 1,000 bytes in a directory.
func benchTop(b *testing.B, files int) *Dir {
	b.Helper()
	top := b.TempDir()
	for i := range files {
		if err := os.WriteFile(filepath.Join(top, fmt.Sprintf("file-%04d.csv", i)), make([]byte, 1000), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	r, err := Open(top)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.Close() })
	d, err := r.Dir("")
	if err != nil {
		b.Fatal(err)
	}
	return d
}

// BenchmarkList looks at all of a directory.
func BenchmarkList(b *testing.B) {
	const files = 1000
	d := benchTop(b, files)
	for _, way := range []struct {
		name string
		list func(seen func(Identity)) error
	}{
		{"at once", func(seen func(Identity)) error {
			return d.List(func(_ []byte, id *Identity, _ []byte) error {
				seen(*id)
				return nil
			})
		}},
		{"by name", func(seen func(Identity)) error {
			return d.Names(func(name string) error {
				id, err := d.Identity(name)
				seen(id)
				return err
			})
		}},
	} {
		b.Run(way.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				if err := way.list(func(Identity) { n++ }); err != nil || n != files {
					b.Fatalf("%d of %d files were listed: %v", n, files, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/files, "ns/entry")
		})
	}
}

// BenchmarkReadSmall reads files of 1,000 bytes.
func BenchmarkReadSmall(b *testing.B) {
	const files = 1000
	d := benchTop(b, files)
	var names []string
	if err := d.Names(func(name string) error {
		names = append(names, name)
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 1000)
	for _, way := range []struct {
		name string
		read func(name string) (Identity, error)
	}{
		{"at once", func(name string) (Identity, error) {
			_, id, err := d.ReadSmall(name, buf)
			return id, err
		}},
		{"open and read", func(name string) (Identity, error) {
			f, _, err := d.root.OpenFile(name)
			if err != nil {
				return Identity{}, err
			}
			defer f.Close()
			if _, err := io.ReadFull(f, buf); err != nil {
				return Identity{}, err
			}
			fi, err := f.Stat()
			if err != nil {
				return Identity{}, err
			}
			return Stamp(fi), nil
		}},
	} {
		b.Run(way.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if id, err := way.read(names[i%files]); err != nil || id.Size != 1000 {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// BenchmarkWriteSmall makes files of 1,000 bytes, and removes them.
func BenchmarkWriteSmall(b *testing.B) {
	content := make([]byte, 1000)
	a := Attributes{Mode: 0o644, MTime: 1e18, UID: os.Geteuid(), GID: os.Getegid()}
	for _, way := range []struct {
		name  string
		write func(d *Dir, name string) error
	}{
		{"private", func(d *Dir, name string) error { return d.Private().WriteSmall(name, content, a) }},
		{"public", func(d *Dir, name string) error { return d.WriteSmall(name, content, a) }},
		{"create and write", func(d *Dir, name string) error {
			f, err := d.Create(name)
			if err != nil {
				return err
			}
			defer f.Close()
			if _, err := f.Write(content); err != nil {
				return err
			}
			return SetAttributes(f, a)
		}},
		{"only remove", nil},
	} {
		b.Run(way.name, func(b *testing.B) {
			d := benchTop(b, 0)
			b.ReportAllocs()
			for b.Loop() {
				if way.write == nil {
					_ = d.Remove("file")
					continue
				}
				if err := way.write(d, "file"); err != nil {
					b.Fatal(err)
				}
				if err := d.Remove("file"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
