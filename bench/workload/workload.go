package workload

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mft.dev/mft/bench/workload/content"
)

// Item is the name of the file or directory that is moved.
const Item = "item"

const (
	mib  = 1 << 20
	gib  = 1 << 30
	seed = 7420 // everything follows from it
)

// A Volume tells how much a workload moves, or looks at.
type Volume struct {
	Bytes int64
	Files int
}

// A Workload is a row of the benchmark.
type Workload struct {
	// Key is the letter of the requirement, with a digit where it has parts.
	Key string
	// Title says what is done.
	Title string
	// Takers are the names of the contenders that take part.
	Takers []string
	// Fresh says that the destination is empty before every run. Otherwise
	// every contender fills its own once, before the first round.
	Fresh bool
	// Shared says that all contenders use one destination, because none of
	// them changes it.
	Shared bool
	// Tree says that the item is a directory.
	Tree bool
	// Mirror says that what is gone at the source has to go at the destination.
	Mirror bool
	// Anew says that the contenders begin without what they remember of files
	// that they moved before.
	Anew bool
	// Far says that the ends are far away from each other; Loss is the share of
	// packets that the way there loses.
	Far  bool
	Loss float64
	// Stored says that the ends reach nothing but a storage account.
	Stored bool
	// Since is what content.Look wants to know.
	Since time.Time

	make   func(item string, scale float64) (Volume, error)
	change func(item string, round int) error
}

// Make makes the item in dir.
func (w Workload) Make(dir string, scale float64) (Volume, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Volume{}, err
	}
	return w.make(filepath.Join(dir, Item), scale)
}

// Change makes what is different in a round, which is counted from 1, and
// before which all copies are alike.
func (w Workload) Change(dir string, round int) error {
	if w.change == nil {
		return nil
	}
	if err := w.change(filepath.Join(dir, Item), round); err != nil {
		return fmt.Errorf("changing the source: %w", err)
	}
	return nil
}

// Changes says whether every round has its own change.
func (w Workload) Changes() bool { return w.change != nil }

// All returns the workloads in the order of the requirement. The idle agent,
// (k), moves nothing and is not among them.
func All() []Workload {
	all := slices.Concat(moving(), comparing(), distant(), stored())
	slices.SortStableFunc(all, func(a, b Workload) int { return strings.Compare(a.Key, b.Key) })
	return all
}

// syncing are those who compare before they move.
func syncing(more ...string) []string { return append([]string{"mft", "rsync+ssh", "rsyncd"}, more...) }

// moving are the workloads whose destination is empty.
func moving() []Workload {
	everyone := syncing("scp", "sftp", "tar+ssh", "rclone")
	since := content.Epoch()
	return []Workload{
		{
			Key: "a", Title: "one file of 4 GiB", Fresh: true, Since: since,
			Takers: append([]string{"cp", "tls", "blake3", "mft+users"}, everyone...), make: file(4*gib, content.Noise),
		},
		{
			Key: "b", Title: "50,000 files of 4 KiB", Fresh: true, Tree: true, Since: since,
			Takers: append([]string{"cp", "mft+users"}, everyone...), make: tree(small()),
		},
		{
			Key: "h", Title: "1 GiB of text", Fresh: true, Since: since,
			Takers: append([]string{"cp", "tls"}, everyone...), make: file(gib, content.Text),
		},
	}
}

// comparing are the workloads whose destination has most of it already.
func comparing() []Workload {
	changed := content.At(1)
	all := []Workload{
		{
			Key: "c", Title: "50,000 files, nothing changed", Shared: true, Tree: true, Since: changed,
			Takers: syncing("rclone", "find"), make: tree(small()),
		},
		{
			Key: "d", Title: "50,000 files, 1 % changed, 1 % added, 1 % removed", Tree: true, Mirror: true, Since: changed,
			Takers: syncing("mft+users"), make: tree(small()),
			change: func(item string, round int) error { return content.Churn(item, 0.01, round, seed) },
		},
		{
			Key: "e", Title: "2 GiB, 1 % of the blocks edited", Since: changed,
			Takers: syncing(), make: file(2*gib, content.Noise),
			change: func(item string, round int) error { return content.Scatter(item, 0.01, round, seed) },
		},
		{
			Key: "f", Title: "2 GiB, 1 MiB inserted near the head", Since: changed,
			Takers: syncing("mft+users"), make: file(2*gib, content.Noise),
			change: func(item string, round int) error {
				return content.Insert(item, int64(round)*300_001, mib, round, seed)
			},
		},
		{
			Key: "g", Title: "2 GiB renamed, 1,000 files moved", Tree: true, Mirror: true, Since: content.Epoch(),
			Takers: syncing(), make: makeMoving, change: move,
		},
		{
			Key: "i", Title: "1,000,000 files, nothing changed", Shared: true, Tree: true, Since: changed,
			Takers: syncing("find"), make: tree(content.Shape{Files: 1_000_000, Dirs: 10_000, Size: 8}),
		},
	}
	for _, w := range all {
		if w.Key == "e" || w.Key == "f" {
			w.Key, w.Title, w.Anew = w.Key+"1", w.Title+", nothing remembered", true
			all = append(all, w)
		}
	}
	return all
}

// distant are the workloads whose ends are far away from each other.
func distant() []Workload {
	few := content.Shape{Files: 5_000, Dirs: 50, Size: 4096}
	all := []Workload{
		{Key: "j1", Title: "far away: 512 MiB", make: file(512*mib, content.Noise)},
		{Key: "j2", Title: "far away: 5,000 files of 4 KiB", Tree: true, make: tree(few)},
		{Key: "j3", Title: "far away, 1 % lost: 32 MiB", Loss: 0.01, make: file(32*mib, content.Noise)},
		{Key: "j4", Title: "far away, 1 % lost: 5,000 files of 4 KiB", Loss: 0.01, Tree: true, make: tree(few)},
	}
	for i := range all {
		other := "scp"
		if all[i].Tree {
			other = "tar+ssh" // scp makes round trips for every file: 140 s for 500
		}
		all[i].Takers, all[i].Fresh, all[i].Far, all[i].Since = syncing(other), true, true, content.Epoch()
	}
	return append(all, Workload{
		Key: "h2", Title: "far away: 1 GiB of text", Fresh: true, Far: true, Since: content.Epoch(),
		Takers: syncing("rsync-z+ssh", "rsyncd-z"), make: file(gib, content.Text),
	})
}

// stored are the workloads whose ends reach nothing but a storage account. All
// of it goes there, and then from there.
func stored() []Workload {
	takers := []string{"mft", "azcopy", "rclone", "sdk"}
	return []Workload{
		{Key: "l1", Title: "through storage: 1 GiB", Fresh: true, Stored: true, Since: content.Epoch(), Takers: takers, make: file(gib, content.Noise)},
		{
			Key: "l2", Title: "through storage: 2,000 files of 64 KiB", Fresh: true, Stored: true, Tree: true, Since: content.Epoch(),
			Takers: takers, make: tree(content.Shape{Files: 2000, Dirs: 20, Size: 64 << 10}),
		},
	}
}

func small() content.Shape { return content.Shape{Files: 50_000, Dirs: 500, Size: 4096} }

// file makes a file of the size times the scale.
func file(size int64, fill func(string, int64, uint64) error) func(string, float64) (Volume, error) {
	return func(item string, scale float64) (Volume, error) {
		n := int64(float64(size) * scale)
		return Volume{Bytes: n, Files: 1}, fill(item, n, seed)
	}
}

// tree makes a tree with the scaled number of files and directories.
func tree(s content.Shape) func(string, float64) (Volume, error) {
	return func(item string, scale float64) (Volume, error) {
		s := content.Shape{Files: max(100, int(float64(s.Files)*scale)), Dirs: max(1, int(float64(s.Dirs)*scale)), Size: s.Size}
		return Volume{Bytes: int64(s.Files) * int64(s.Size), Files: s.Files}, content.Grow(item, s, seed)
	}
}

// makeMoving makes a directory with a big file and a directory of 1,000 files
// of 64 KiB, which move on from round to round.
func makeMoving(item string, scale float64) (Volume, error) {
	v, err := tree(content.Shape{Files: 1000, Dirs: 10, Size: 64 << 10})(place(item, "folder", 0), scale)
	if err != nil {
		return v, err
	}
	big, err := file(2*gib, content.Noise)(place(item, "file", 0), scale)
	return Volume{Bytes: v.Bytes + big.Bytes, Files: v.Files + 1}, err
}

func move(item string, round int) error {
	for _, what := range []string{"file", "folder"} {
		if err := os.Rename(place(item, what, round-1), place(item, what, round)); err != nil {
			return err
		}
	}
	return nil
}

func place(item, what string, round int) string {
	return filepath.Join(item, fmt.Sprintf("%s-%03d", what, round))
}
