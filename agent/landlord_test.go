package agent_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/dir"
)

// secret is in all content and names: nobody may find it in the folder.
const secret = "Sesame-opens"

// A landlord is whoever owns the folder that two agents share. It looks at the
// files in it when something has happened there, and does one deed.
type landlord struct {
	t      *testing.T
	folder string
	r      *rand.Rand
	cards  map[mft.AgentName]map[string]string // the statements of keys as they were at first
	chest  string                              // what it has kept aside, a directory

	// Whoever takes letters waits until the owner is done with them.
	gate sync.RWMutex

	mu      sync.Mutex
	armed   *deed
	done    bool
	counts  map[moment]int
	letters []seenLetter
	mark    int                 // of letters: those of the transfer under way begin there
	late    []func()            // what was held back
	old     map[string]string   // an object of an earlier transfer: block name to content
	states  []map[string]string // the folder when each letter of the transfer was put
}

// A seenLetter is one that was put.
type seenLetter struct {
	to   mft.AgentName
	body []byte
}

// A moment is when a deed is done.
type moment string

const (
	onPut     moment = "put"     // after the n-th letter was put; what it is about is the file
	onStage   moment = "stage"   // after the n-th block was staged: the directory of the object
	onPublish moment = "publish" // after the object was published: its directory
	onGrant   moment = "grant"   // after the n-th grant: the directory of the object
	onRead    moment = "read"    // before the n-th read: the directory of the object
	onKeys    moment = "keys"    // before the n-th look at statements: their directory
)

// A deed is one thing that an owner does.
type deed struct {
	kind, name string
	at         moment
	n          int
	do         func(o *landlord, path string)
}

func newLandlord(t *testing.T, folder string, seed uint64) *landlord {
	return &landlord{
		t: t, folder: folder, r: rand.New(rand.NewPCG(seed, 3)), cards: map[mft.AgentName]map[string]string{},
		chest: t.TempDir(), counts: map[moment]int{}, old: map[string]string{},
	}
}

// arm makes ready for a deed, and reports whether the last one was done.
func (o *landlord) arm(d *deed) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	was := o.done
	o.armed, o.done, o.counts, o.mark, o.states = d, false, map[moment]int{}, len(o.letters), nil
	if len(o.letters) > 400 {
		o.letters = slices.Clone(o.letters[200:])
		o.mark = len(o.letters)
	}
	return was
}

// happens does the deed if this is its moment.
func (o *landlord) happens(m moment, path string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts[m]++
	if d := o.armed; d != nil && !o.done && d.at == m && d.n == o.counts[m] {
		o.done = true
		d.do(o, path)
	}
}

// release lets go what was held back.
func (o *landlord) release() {
	o.gate.Lock()
	defer o.gate.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, f := range o.late {
		f()
	}
	o.late = nil
}

// exchange puts the owner between an agent and the folder.
func (o *landlord) exchange(x exchange.Exchange) *exchange.Exchange {
	x.Queue, x.Container, x.Reader, x.Keys = ownedQueue{x.Queue, o}, ownedContainer{x.Container, o}, ownedReader{x.Reader, o}, ownedKeys{x.Keys, o}
	return &x
}

type ownedQueue struct {
	exchange.Queue
	o *landlord
}

func (q ownedQueue) Put(ctx context.Context, to mft.AgentName, body []byte) error {
	o := q.o
	o.gate.Lock()
	defer o.gate.Unlock()
	queue := filepath.Join(o.folder, string(to), "queue")
	before := o.names(queue)
	if err := q.Queue.Put(ctx, to, body); err != nil {
		return err
	}
	o.secrecy(body)
	o.mu.Lock()
	o.letters = append(o.letters, seenLetter{to, slices.Clone(body)})
	o.states = append(o.states, o.snapshot())
	o.mu.Unlock()
	for _, name := range o.names(queue) {
		if !slices.Contains(before, name) {
			o.happens(onPut, filepath.Join(queue, name))
			break
		}
	}
	return nil
}

func (q ownedQueue) Take(ctx context.Context, most int, lease time.Duration) ([]exchange.Letter, error) {
	q.o.gate.RLock()
	defer q.o.gate.RUnlock()
	return q.Queue.Take(ctx, most, lease)
}

type ownedContainer struct {
	exchange.Container
	o *landlord
}

// object is the directory of an object of alpha, the only one that sends.
func (o *landlord) object(name string) string {
	return filepath.Join(o.folder, "alpha", "objects", "o-"+name)
}

func (c ownedContainer) Stage(ctx context.Context, name string, block int, content []byte) error {
	c.o.secrecy(content)
	if err := c.Container.Stage(ctx, name, block, content); err != nil {
		return err
	}
	c.o.happens(onStage, c.o.object(name))
	return nil
}

func (c ownedContainer) Publish(ctx context.Context, name string, blocks int) error {
	if err := c.Container.Publish(ctx, name, blocks); err != nil {
		return err
	}
	c.o.happens(onPublish, c.o.object(name))
	return nil
}

func (c ownedContainer) Grant(ctx context.Context, name string, life time.Duration) (exchange.Grant, error) {
	g, err := c.Container.Grant(ctx, name, life)
	if err == nil {
		c.o.happens(onGrant, c.o.object(name))
	}
	return g, err
}

type ownedReader struct {
	exchange.Reader
	o *landlord
}

func (r ownedReader) Read(ctx context.Context, ref string, offset int64, p []byte) error {
	if f := strings.Split(ref, "/"); len(f) == 3 {
		r.o.happens(onRead, r.o.object(f[1]))
	}
	return r.Reader.Read(ctx, ref, offset, p)
}

type ownedKeys struct {
	exchange.Keys
	o *landlord
}

func (k ownedKeys) Statements(ctx context.Context, of mft.AgentName) ([][]byte, error) {
	k.o.happens(onKeys, filepath.Join(k.o.folder, string(of), "keys"))
	return k.Keys.Statements(ctx, of)
}

// secrecy checks that what lies in the folder says nothing.
func (o *landlord) secrecy(b []byte) {
	if strings.Contains(string(b), secret) {
		o.t.Error("what is secret lies in the folder")
	}
}

func (o *landlord) names(dir string) (out []string) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		o.t.Error(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// must reports what the owner cannot do: it could have.
func (o *landlord) must(err error) {
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		o.t.Errorf("the owner: %v", err)
	}
}

func (o *landlord) read(path string) []byte {
	b, err := os.ReadFile(path)
	o.must(err)
	return b
}

// removeAll removes a tree, to which an agent may just be adding.
func (o *landlord) removeAll(path string) {
	err := os.RemoveAll(path)
	for range 100 {
		if err == nil {
			return
		}
		err = os.RemoveAll(path)
	}
	o.must(err)
}

func (o *landlord) write(path string, b []byte) { o.must(os.WriteFile(path, b, 0o644)) }

// snapshot returns the letters and objects in the folder.
func (o *landlord) snapshot() map[string]string {
	out := map[string]string{}
	for _, agent := range []string{"alpha", "beta"} {
		for _, sub := range []string{"queue", "objects"} {
			err := filepath.WalkDir(filepath.Join(o.folder, agent, sub), func(path string, d fs.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return nil // it comes and goes
				}
				if b, err := os.ReadFile(path); err == nil {
					out[path] = string(b)
				}
				return nil
			})
			o.must(err)
		}
	}
	return out
}

// restore makes the folder what it was.
func (o *landlord) restore(was map[string]string) {
	for path := range o.snapshot() {
		if _, ok := was[path]; !ok {
			o.must(os.Remove(path))
		}
	}
	for path, content := range was {
		o.must(os.MkdirAll(filepath.Dir(path), 0o711))
		o.write(path, []byte(content))
	}
}

// keep remembers the statements as they are.
func (o *landlord) keep() {
	for _, agent := range []mft.AgentName{"alpha", "beta"} {
		o.cards[agent] = map[string]string{}
		keys := filepath.Join(o.folder, string(agent), "keys")
		for _, name := range o.names(keys) {
			o.cards[agent][name] = string(o.read(filepath.Join(keys, name)))
		}
	}
}

// repair puts back what agents cannot make anew.
func (o *landlord) repair() {
	for _, agent := range []mft.AgentName{"alpha", "beta"} {
		for _, sub := range []string{"", "queue", "objects", "keys", "temporary"} {
			path := filepath.Join(o.folder, string(agent), sub)
			if fi, err := os.Lstat(path); err == nil && !fi.IsDir() {
				o.must(os.Remove(path))
			}
		}
		if _, err := dir.Setup(context.Background(), o.folder, agent); err != nil {
			o.t.Errorf("Setup: %v", err)
		}
		keys := filepath.Join(o.folder, string(agent), "keys")
		for _, name := range o.names(keys) {
			if _, ok := o.cards[agent][name]; !ok {
				o.must(os.RemoveAll(filepath.Join(keys, name)))
			}
		}
		for name, content := range o.cards[agent] {
			path := filepath.Join(keys, name)
			if fi, err := os.Lstat(path); err == nil && !fi.Mode().IsRegular() {
				o.must(os.RemoveAll(path))
			}
			o.giveBack(path, content)
		}
	}
}

// giveBack gives a file its content back, at once: an agent that looks meanwhile finds
// the one or the other.
func (o *landlord) giveBack(path, content string) {
	if is, err := os.ReadFile(path); err == nil && string(is) == content {
		return
	}
	fresh := filepath.Join(o.folder, "restored")
	o.write(fresh, []byte(content))
	o.must(os.Rename(fresh, path))
}

// An ear hears the codes of what agents log.
type ear struct {
	mu    sync.Mutex
	codes map[mft.Code]int
}

func (*ear) Enabled(context.Context, slog.Level) bool { return true }

func (e *ear) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			e.hear(mft.CodeOf(err))
		}
		return true
	})
	return nil
}

func (e *ear) hear(code mft.Code) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.codes[code]++
}

// heard returns what was heard since it was asked last, without what is said
// every day.
func (e *ear) heard() (out []mft.Code) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for code := range e.codes {
		switch code {
		case "", mft.CodeOK, mft.CodeBusy, mft.CodeRelayed, mft.CodeCancelled:
		default:
			out = append(out, code)
		}
	}
	clear(e.codes)
	slices.Sort(out)
	return out
}

func (e *ear) WithAttrs([]slog.Attr) slog.Handler { return e }
func (e *ear) WithGroup(string) slog.Handler      { return e }
