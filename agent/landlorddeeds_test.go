package agent_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mft.dev/mft/exchange"
)

// This file lists what the owner of a folder does.

// kindKeys is of deeds to statements of keys.
const kindKeys = "statement of a key"

// foreignKey is the one deed whose outcome may be that a transfer is refused: the
// statement is whole, and by a key that nobody here knows.
const foreignKey = "one of this owner's under that name"

// A change makes other bytes of bytes.
type change struct {
	name string
	do   func(o *landlord, b []byte) []byte
}

func noiseOf(r *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// changes are what can be done to the bytes of a file.
func changes(turned []int) (out []change) {
	add := func(name string, do func(o *landlord, b []byte) []byte) { out = append(out, change{name, do}) }
	for _, at := range turned {
		add(fmt.Sprintf("a bit of byte %d turned", at), func(_ *landlord, b []byte) []byte {
			if at < 0 {
				at += len(b)
			}
			b[min(at, len(b)-1)] ^= 1
			return b
		})
	}
	for _, part := range []int{4, 2, 3} {
		add(fmt.Sprintf("a bit at one of %d turned", part), func(_ *landlord, b []byte) []byte {
			b[len(b)*(part-1)/part] ^= 4
			return b
		})
	}
	for _, n := range []int{0, 1, 8, 16, -4, -1} {
		add(fmt.Sprintf("cut to %d", n), func(_ *landlord, b []byte) []byte {
			if n < 0 {
				return b[:max(len(b)+n, 0)]
			}
			return b[:min(n, len(b))]
		})
	}
	add("cut to half", func(_ *landlord, b []byte) []byte { return b[:len(b)/2] })
	add("a byte more", func(_ *landlord, b []byte) []byte { return append(b, 'A') })
	add("a line more", func(_ *landlord, b []byte) []byte { return append(b, '\n') })
	add("doubled in itself", func(_ *landlord, b []byte) []byte { return append(b, b...) })
	add("noise of that length", func(o *landlord, b []byte) []byte { return noiseOf(o.r, len(b)) })
	add("zeros of that length", func(_ *landlord, b []byte) []byte { return make([]byte, len(b)) })
	add("one byte of noise", func(o *landlord, _ []byte) []byte { return noiseOf(o.r, 1) })
	add("reversed", func(_ *landlord, b []byte) []byte { slices.Reverse(b); return b })
	add("too long", func(o *landlord, _ []byte) []byte { return noiseOf(o.r, 300_000) })
	return out
}

// things are what can take the place of a file.
func things() []struct {
	name string
	do   func(o *landlord, path string)
} {
	type thing = struct {
		name string
		do   func(o *landlord, path string)
	}
	aside := func(o *landlord, path string) string {
		to := filepath.Join(o.chest, fmt.Sprint("aside-", o.r.Uint64()))
		o.must(os.Rename(path, to))
		return to
	}
	return []thing{
		{"removed", (*landlord).removeAll},
		{"a link to itself elsewhere", func(o *landlord, path string) { o.must(os.Symlink(aside(o, path), path)) }},
		{"a link to nothing", func(o *landlord, path string) {
			aside(o, path)
			o.must(os.Symlink(filepath.Join(o.chest, "nothing"), path))
		}},
		{"a directory", func(o *landlord, path string) { aside(o, path); o.must(os.Mkdir(path, 0o755)) }},
		{"a pipe", func(o *landlord, path string) { aside(o, path); o.must(pipe(path)) }},
		{"a second name of a file elsewhere", func(o *landlord, path string) {
			to := aside(o, path)
			if fi, err := os.Stat(to); err == nil && !fi.IsDir() {
				o.must(os.Link(to, path))
			}
		}},
		{"held back for a day", func(o *landlord, path string) {
			to := aside(o, path)
			o.late = append(o.late, func() {
				if _, err := os.Lstat(path); err != nil { // else its owner has made it anew
					o.must(os.Rename(to, path))
				}
			})
		}},
	}
}

// named returns a letter's path with one field of its name replaced.
func named(path string, field int, with string) string {
	f := strings.Split(filepath.Base(path), "-")
	f[field] = with
	return filepath.Join(filepath.Dir(path), strings.Join(f, "-"))
}

// fresh is a name for another letter beside path, with another id.
func (o *landlord) fresh(path string) string {
	return named(path, 2, fmt.Sprintf("%016x%016x", o.r.Uint64(), o.r.Uint64()))
}

func otherQueue(path string) string {
	if strings.Contains(path, "/beta/queue/") {
		return strings.Replace(path, "/beta/queue/", "/alpha/queue/", 1)
	}
	return strings.Replace(path, "/alpha/queue/", "/beta/queue/", 1)
}

func (o *landlord) put(path string, body []byte) { o.write(o.fresh(path), body) }

// letterDeeds are what is done to one letter.
func letterDeeds() (out []deed) {
	add := func(name string, do func(o *landlord, path string)) {
		out = append(out, deed{kind: "letter", name: name, at: onPut, do: do})
	}
	for _, c := range changes([]int{0, 1, 2, 5, 10, 11, 12, 20, 40, 64, 100, -40, -20, -3, -2, -1}) {
		add(c.name, func(o *landlord, path string) { o.write(path, c.do(o, o.read(path))) })
	}
	for _, t := range things() {
		add(t.name, t.do)
	}
	text := func(b []byte) []byte { return base64.RawStdEncoding.AppendEncode(nil, b) }
	for name, body := range map[string]func(o *landlord, path string) []byte{
		"noise in base64":      func(o *landlord, _ string) []byte { return text(noiseOf(o.r, 300)) },
		"another version":      func(o *landlord, _ string) []byte { return text(append([]byte{2}, noiseOf(o.r, 300)...)) },
		"noise under its key":  func(o *landlord, path string) []byte { return append(o.read(path)[:12], text(noiseOf(o.r, 300))...) },
		"a page of a portal":   func(*landlord, string) []byte { return []byte("<html><body>Please sign in</body></html>") },
		"the letter before it": func(o *landlord, _ string) []byte { return o.letters[max(len(o.letters)-2, 0)].body },
		"the oldest letter":    func(o *landlord, _ string) []byte { return o.letters[0].body },
		"its half, and half of another": func(o *landlord, path string) []byte {
			b, other := o.read(path), o.letters[0].body
			return append(b[:len(b)/2], other[min(len(b)/2, len(other)):]...)
		},
	} {
		add("replaced by "+name, func(o *landlord, path string) { o.write(path, body(o, path)) })
	}
	slices.SortFunc(out, func(a, b deed) int { return strings.Compare(a.name, b.name) })
	for _, n := range []int{1, 4, 20} {
		add(fmt.Sprintf("repeated %d times", n), func(o *landlord, path string) {
			for range n {
				o.put(path, o.read(path))
			}
		})
	}
	add("moved to the queue of the other", func(o *landlord, path string) { o.must(os.Rename(path, otherQueue(path))) })
	add("copied to the queue of the other", func(o *landlord, path string) { o.write(otherQueue(path), o.read(path)) })
	for name, to := range map[string]func(path string) string{
		"taken four times":   func(p string) string { return named(p, 3, "0004") },
		"taken a thousand":   func(p string) string { return named(p, 3, "0400") },
		"taken most often":   func(p string) string { return named(p, 3, "ffff") },
		"leased for ever":    func(p string) string { return named(p, 4, "ffffffffffff") },
		"put in 1970":        func(p string) string { return named(p, 1, "000000000000") },
		"put at last":        func(p string) string { return named(p, 1, "ffffffffffff") },
		"by another id":      func(p string) string { return named(p, 2, strings.Repeat("a", 32)) },
		"by another claim":   func(p string) string { return named(p, 5, strings.Repeat("b", 32)) },
		"called differently": func(p string) string { return filepath.Join(filepath.Dir(p), "readme.txt") },
	} {
		add(name, func(o *landlord, path string) { o.must(os.Rename(path, to(path))) })
	}
	slices.SortStableFunc(out, func(a, b deed) int { return strings.Compare(a.name, b.name) })
	replay := func(o *landlord, path string, letters []seenLetter) {
		for _, l := range letters {
			dir := filepath.Join(o.folder, string(l.to), "queue")
			o.put(filepath.Join(dir, filepath.Base(path)), l.body)
		}
	}
	add("and all that were ever put again", func(o *landlord, path string) { replay(o, path, o.letters) })
	add("behind all of this transfer again, backwards", func(o *landlord, path string) {
		again := slices.Clone(o.letters[o.mark:])
		slices.Reverse(again)
		replay(o, named(path, 1, "000000000000"), again)
	})
	add("among forty of noise", func(o *landlord, path string) {
		for range 40 {
			o.put(named(path, 1, "000000000000"), noiseOf(o.r, 1+o.r.IntN(exchange.MaxLetter)))
		}
	})
	add("among forty files with other names", func(o *landlord, path string) {
		for i := range 40 {
			o.write(filepath.Join(filepath.Dir(path), fmt.Sprintf("stranger-%d", i)), noiseOf(o.r, 100))
		}
	})
	return out
}

// blocks is the directory with the blocks of an object.
func (o *landlord) blocks(object string) string {
	for _, name := range o.names(object) {
		if strings.HasPrefix(name, "s-") {
			return filepath.Join(object, name)
		}
	}
	o.t.Errorf("nothing is in %s", object)
	return object
}

// block is the path of a block; negative ones count from the end.
func (o *landlord) block(object string, i int) string {
	dir := o.blocks(object)
	names := o.names(dir)
	if len(names) == 0 {
		return filepath.Join(dir, "00000")
	}
	if i < 0 {
		i += len(names)
	}
	return filepath.Join(dir, names[min(max(i, 0), len(names)-1)])
}

// index is the file that says of which blocks a published object is.
func (o *landlord) index(object string) string { return filepath.Join(object, "published", "index") }

// renumber changes a number in the first line of the index.
func (o *landlord) renumber(object string, field int, with func(n int) int) {
	numbers, parts, _ := strings.Cut(string(o.read(o.index(object))), "\n")
	f := strings.Split(numbers, " ")
	var n int
	_, _ = fmt.Sscan(f[field], &n)
	f[field] = fmt.Sprint(with(n))
	o.write(o.index(object), []byte(strings.Join(f, " ")+"\n"+parts))
}

// objectDeeds are what is done to an object.
func objectDeeds() (out []deed) {
	add := func(name string, do func(o *landlord, object string)) {
		out = append(out, deed{kind: "object", name: name, at: onPublish, n: 1, do: do})
	}
	for which, i := range map[string]int{"first": 0, "last": -1} {
		for _, c := range changes([]int{0, 15, 16, 20, -1, -16}) {
			add(which+" block: "+c.name, func(o *landlord, object string) {
				path := o.block(object, i)
				o.write(path, c.do(o, o.read(path)))
			})
		}
		for _, t := range things() {
			add(which+" block: "+t.name, func(o *landlord, object string) { t.do(o, o.block(object, i)) })
		}
	}
	swap := func(o *landlord, a, b string) {
		x, y := o.read(a), o.read(b)
		o.write(a, y)
		o.write(b, x)
	}
	add("first and second block exchanged", func(o *landlord, object string) { swap(o, o.block(object, 0), o.block(object, 1)) })
	add("first and last block exchanged", func(o *landlord, object string) { swap(o, o.block(object, 0), o.block(object, -1)) })
	add("second block in the place of the first", func(o *landlord, object string) { o.write(o.block(object, 0), o.read(o.block(object, 1))) })
	add("rolled back to an older object", func(o *landlord, object string) {
		for name, content := range o.old {
			o.write(filepath.Join(o.blocks(object), name), []byte(content))
		}
	})
	add("first block of an older object", func(o *landlord, object string) { o.write(o.block(object, 0), []byte(o.old["00000"])) })
	add("last block from an older object", func(o *landlord, object string) { o.write(o.block(object, -1), []byte(o.old["00000"])) })
	add("a block more", func(o *landlord, object string) {
		o.write(filepath.Join(o.blocks(object), "00099"), noiseOf(o.r, 100))
	})
	add("foreign names in it", func(o *landlord, object string) { o.write(filepath.Join(object, "readme.txt"), noiseOf(o.r, 100)) })
	for field, name := range map[int]string{0: "blocks", 1: "bytes", 2: "bytes of the last"} {
		add("said to have one less: "+name, func(o *landlord, object string) { o.renumber(object, field, func(n int) int { return max(n-1, 1) }) })
		add("said to have one more: "+name, func(o *landlord, object string) { o.renumber(object, field, func(n int) int { return n + 1 }) })
		add("said to have most: "+name, func(o *landlord, object string) { o.renumber(object, field, func(int) int { return 50_000 }) })
	}
	for _, c := range changes([]int{0, 20, -1}) {
		add("its index: "+c.name, func(o *landlord, object string) {
			o.write(o.index(object), c.do(o, o.read(o.index(object))))
		})
	}
	for _, t := range things() {
		add("its index: "+t.name, func(o *landlord, object string) { t.do(o, o.index(object)) })
		add("that it is published: "+t.name, func(o *landlord, object string) { t.do(o, filepath.Join(object, "published")) })
		add("its blocks: "+t.name, func(o *landlord, object string) { t.do(o, o.blocks(object)) })
		add("all of it: "+t.name, func(o *landlord, object string) { t.do(o, object) })
	}
	slices.SortFunc(out, func(a, b deed) int { return strings.Compare(a.name, b.name) })
	return append(append(out, stagedDeeds()...), readDeeds()...)
}

// stagedDeeds are what is done to an object that is not published yet.
func stagedDeeds() (out []deed) {
	for _, t := range things() {
		out = append(out,
			deed{kind: "staged block", name: "first: " + t.name, at: onStage, n: 2, do: func(o *landlord, object string) { t.do(o, o.block(object, 0)) }},
			deed{kind: "staged block", name: "all: " + t.name, at: onStage, n: 2, do: func(o *landlord, object string) { t.do(o, o.blocks(object)) }},
			deed{kind: "staged block", name: "the object: " + t.name, at: onStage, n: 2, do: func(o *landlord, object string) { t.do(o, object) }},
		)
	}
	for _, c := range changes([]int{0, 20}) {
		out = append(out, deed{kind: "staged block", name: "first: " + c.name, at: onStage, n: 2, do: func(o *landlord, object string) {
			path := o.block(object, 0)
			o.write(path, c.do(o, o.read(path)))
		}})
	}
	return append(out, deed{kind: "staged block", name: "published before its time", at: onStage, n: 2, do: func(o *landlord, object string) {
		o.must(os.Mkdir(filepath.Join(object, "published"), 0o700))
		o.write(o.index(object), []byte("2 100 100\n0 "+filepath.Base(o.blocks(object))+"\n"))
	}})
}

// readDeeds are what is done while an object is read.
func readDeeds() (out []deed) {
	for _, n := range []int{1, 2, 4} {
		add := func(name string, do func(o *landlord, object string)) {
			out = append(out, deed{kind: "object", name: fmt.Sprintf("at read %d: %s", n, name), at: onRead, n: n, do: do})
		}
		for _, t := range things() {
			add("the second block "+t.name, func(o *landlord, object string) { t.do(o, o.block(object, 1)) })
		}
		add("all of it removed", func(o *landlord, object string) { o.must(os.RemoveAll(object)) })
		add("the last block damaged", func(o *landlord, object string) {
			path := o.block(object, -1)
			o.write(path, bytes.ToUpper(append(o.read(path)[:40], noiseOf(o.r, 40)...)))
		})
	}
	return out
}

// grantDeeds are what is done to a grant.
func grantDeeds() (out []deed) {
	for _, at := range []moment{onGrant, onRead} {
		add := func(name string, do func(o *landlord, object string)) {
			if at == onRead {
				name += ", while it is read"
			}
			out = append(out, deed{kind: "grant", name: name, at: at, n: map[moment]int{onGrant: 1, onRead: 2}[at], do: do})
		}
		grant := func(o *landlord, object string) string {
			for _, name := range o.names(object) {
				if strings.HasPrefix(name, "g-") {
					return filepath.Join(object, name)
				}
			}
			return filepath.Join(object, "g-none")
		}
		for _, t := range things() {
			add(t.name, func(o *landlord, object string) { t.do(o, grant(o, object)) })
		}
		for name, content := range map[string]string{
			"empty": "", "nonsense": "1 of nothing", "upwards": "../../../beta/keys",
			"to no object": "3 100 50\n0 s-0001-" + strings.Repeat("d", 32) + "\n", "to too much": "50000 268435456 1\n0 s-0001-" + strings.Repeat("d", 32) + "\n",
			"longer than any": strings.Repeat("1 ", 2<<20),
		} {
			add("leads "+name, func(o *landlord, object string) { o.write(grant(o, object), []byte(content)) })
		}
		add("prolonged", func(o *landlord, object string) {
			g := grant(o, object)
			o.must(os.Rename(g, strings.Replace(g, "g-0", "g-f", 1)))
		})
		add("there twice", func(o *landlord, object string) {
			g := grant(o, object)
			o.write(g[:len(g)-4]+"0000", o.read(g))
		})
	}
	slices.SortFunc(out, func(a, b deed) int { return strings.Compare(a.name, b.name) })
	return out
}

// keyDeeds are what is done to statements of keys; mine makes one that this
// owner has made for an agent.
func keyDeeds(mine func(agent string) []byte) (out []deed) {
	for n := 1; n <= 3; n++ {
		add := func(name string, do func(o *landlord, keys string)) {
			out = append(out, deed{kind: kindKeys, name: fmt.Sprintf("at look %d: %s", n, name), at: onKeys, n: n, do: do})
		}
		each := func(o *landlord, keys string, do func(path string)) {
			for _, name := range o.names(keys) {
				do(filepath.Join(keys, name))
			}
		}
		agentOf := func(keys string) string { return filepath.Base(filepath.Dir(keys)) }
		for _, t := range things() {
			add(t.name, func(o *landlord, keys string) { each(o, keys, func(path string) { t.do(o, path) }) })
			add("all of them: "+t.name, func(o *landlord, keys string) { t.do(o, keys) })
		}
		for _, c := range changes([]int{0, 1, 3, 60, -70, -30, -1}) {
			add(c.name, func(o *landlord, keys string) {
				each(o, keys, func(path string) { o.write(path, c.do(o, o.read(path))) })
			})
		}
		add(foreignKey, func(o *landlord, keys string) {
			each(o, keys, func(path string) { o.write(path, mine(agentOf(keys))) })
		})
		add("one of this owner's beside it", func(o *landlord, keys string) { o.write(filepath.Join(keys, "k-zz"), mine(agentOf(keys))) })
		add("that of the other agent", func(o *landlord, keys string) {
			other := map[string]string{"alpha": "beta", "beta": "alpha"}[agentOf(keys)]
			from := filepath.Join(o.folder, other, "keys")
			for _, name := range o.names(from) {
				b := o.read(filepath.Join(from, name))
				each(o, keys, func(path string) { o.write(path, b) })
			}
		})
		add("two hundred more", func(o *landlord, keys string) {
			for i := range 200 {
				o.write(filepath.Join(keys, fmt.Sprintf("k-%03d", i)), noiseOf(o.r, 500))
			}
		})
	}
	return out
}

// folderDeeds are what is done to all of it.
func folderDeeds() (out []deed) {
	for n := 1; n <= 4; n++ {
		for _, agent := range []string{"alpha", "beta"} {
			for _, sub := range []string{"queue", "objects", "temporary", ""} {
				for _, t := range things()[:4] {
					out = append(out, deed{
						kind: "folder", name: fmt.Sprintf("%s/%s: %s", agent, sub, t.name), at: onPut, n: n,
						do: func(o *landlord, _ string) { t.do(o, filepath.Join(o.folder, agent, sub)) },
					})
				}
			}
		}
		for k := 1; k < n; k++ {
			out = append(out, deed{
				kind: "folder", name: fmt.Sprintf("rolled back to when letter %d was put", k), at: onPut, n: n,
				do: func(o *landlord, _ string) { o.restore(o.states[k-1]) },
			})
		}
		out = append(out, deed{
			kind: "folder", name: "emptied", at: onPut, n: n, do: func(o *landlord, _ string) { o.restore(nil) },
		})
	}
	return out
}
