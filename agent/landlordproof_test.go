package agent_test

import (
	"cmp"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/order"
	"mft.dev/mft/exchange/dir"
	"mft.dev/mft/exchange/mailbox"
	"mft.dev/mft/identity"
	"mft.dev/mft/identity/card"
)

var long = flag.Bool("long", false, "everything that owners of a folder do, and as many transfers through faults as the design promises")

// A shape is a kind of transfer.
type shape struct {
	name string
	puts int // letters when nothing goes wrong
	// make makes what is sent below out, and what lies at the destination before.
	make func(t *testing.T, out, in string)
	ask  bool // the receiver asks for it
}

func shapes() []shape {
	content := func(n int) string { return strings.Repeat(secret+" ", n/len(secret)+1)[:n] }
	return []shape{
		{name: "file", puts: 4, make: func(t *testing.T, out, _ string) { write(t, out, secret, content(40_000)) }},
		{name: "tree", puts: 4, make: func(t *testing.T, out, _ string) {
			for i := range 12 {
				write(t, out, fmt.Sprintf("%s-%d/d/f%d", secret, i%3, i), content(i*700))
			}
			write(t, out, "big", content(30_000))
		}},
		{name: "overwrite", puts: 4, make: func(t *testing.T, out, in string) {
			write(t, in, secret, "old")
			write(t, in, "same", content(20_000))
			write(t, out, secret, content(35_000))
			path := write(t, out, "same", content(20_000))
			fi, err := os.Stat(path)
			if err == nil {
				err = os.Chtimes(filepath.Join(in, "same"), fi.ModTime(), fi.ModTime())
			}
			if err != nil {
				t.Fatal(err)
			}
		}},
		{name: "request", puts: 6, ask: true, make: func(t *testing.T, out, _ string) {
			write(t, out, "d/"+secret, content(33_000))
			write(t, out, "e", content(10))
		}},
	}
}

// An estate is a folder with an owner, and two agents that have nothing else.
type estate struct {
	t           *testing.T
	alpha, beta *host
	landlord    *landlord
	ear         *ear
	mu          sync.Mutex
	away        time.Duration // by which the clocks of the agents are ahead
	n           int
	delivered   map[string]map[string]fs.FileInfo // by destination, when the receipt was there
}

// soonest is how long agents wait that nobody has to wait for.
var soonest = mailbox.Delays{
	Lease: 400 * time.Millisecond, First: 2 * time.Millisecond, Busy: 10 * time.Millisecond, Pause: 2 * time.Millisecond, LongPause: 20 * time.Millisecond,
}

func newEstate(t *testing.T, seed uint64) *estate {
	alpha, beta, folder := apart(t)
	s := &estate{t: t, alpha: alpha, beta: beta, ear: &ear{codes: map[mft.Code]int{}}, delivered: map[string]map[string]fs.FileInfo{}}
	s.landlord = newLandlord(t, folder, seed)
	for _, h := range []*host{alpha, beta} {
		// Whoever waits for letters keeps the owner waiting.
		x, err := dir.New(dir.Config{Path: folder, Agent: h.conf.Agent.Name, Wait: 3 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		h.exchange = s.landlord.exchange(x)
		h.exchange.Sizes.MaxBlock = 8 << 10
		h.now = s.now
		h.log = slog.New(s.ear)
		h.letters = soonest
		h.start()
		keys := filepath.Join(folder, string(h.conf.Agent.Name), "keys")
		h.until("its key", func() bool { return len(tree(t, keys)) > 0 }, func() any { return tree(t, keys) })
	}
	s.landlord.keep()
	return s
}

func (s *estate) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.away)
}

func (s *estate) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away += d
}

// begin orders a transfer, and returns it and its directories.
func (s *estate) begin(kind shape) (id mft.TransferID, out, in string) {
	s.n++
	out, in = filepath.Join(s.alpha.out, fmt.Sprint(s.n)), filepath.Join(s.beta.in, fmt.Sprint(s.n))
	for _, d := range []string{out, in} {
		if err := os.Mkdir(d, 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
	kind.make(s.t, out, in)
	if !kind.ask {
		return s.alpha.copyTo(s.beta, in+"/", mft.OverwriteReplace, out+"/"), out, in
	}
	id, err := s.beta.agent.Request(s.t.Context(), order.Request{Agent: "alpha", Path: out + "/", Into: in + "/"})
	if err != nil {
		s.t.Fatal(err)
	}
	return id, out, in
}

// states returns those of both ends.
func (s *estate) states(id mft.TransferID) (sent, received mft.Transfer) {
	sent, _, _ = s.alpha.agent.Transfer(s.t.Context(), id)
	received, _, _ = s.beta.agent.Transfer(s.t.Context(), id)
	return sent, received
}

// settle waits until a transfer has ended at both ends. A day passes whenever
// nothing happens.
func (s *estate) settle(what string, id mft.TransferID, out, in string) (ended mft.State, days int) {
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for days = 0; ; days++ {
		for range 100 {
			sent, received := s.states(id)
			if sent.State == mft.StateDone && s.delivered[in] == nil {
				s.check(what, id, out, in)
			}
			if over := func(a, b mft.State) bool { return a.Terminal() && (b.Terminal() || b == "") }; over(sent.State, received.State) || over(received.State, sent.State) {
				return cmp.Or(sent.State, received.State), days
			}
			<-tick.C
		}
		if days > 40 {
			sent, received := s.states(id)
			s.t.Errorf("%s: %v did not end: %s (%+v) and %s (%+v)", what, id, sent.State, sent.Reason, received.State, received.Reason)
			return sent.State, days
		}
		s.landlord.repair()
		s.landlord.release()
		s.pass(25 * time.Hour)
		for _, h := range []*host{s.alpha, s.beta} {
			_, _ = h.agent.Resume(s.t.Context(), id)
		}
	}
}

// check checks that what the sender's receipt says is so.
func (s *estate) check(what string, id mft.TransferID, out, in string) {
	want, got := tree(s.t, out), tree(s.t, in)
	if !maps.Equal(want, got) {
		s.t.Errorf("%s: %v is done, and there are %v, want %v", what, id, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	s.delivered[in] = filesOf(s.t, in)
}

func filesOf(t *testing.T, dir string) map[string]fs.FileInfo {
	out := map[string]fs.FileInfo{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		out[path], err = d.Info()
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return out
}

// unmoved checks that nothing was delivered again.
func (s *estate) unmoved(ids map[mft.TransferID]string) {
	for in, then := range s.delivered {
		now := filesOf(s.t, in)
		if len(now) != len(then) {
			s.t.Errorf("%s has %d files, %d were delivered", in, len(now), len(then))
		}
		for path, fi := range now {
			if old := then[path]; old == nil || !os.SameFile(old, fi) || !old.ModTime().Equal(fi.ModTime()) {
				s.t.Errorf("%s was written again", path)
			}
		}
	}
	for id, what := range ids {
		if got := strings.Count(s.beta.kinds(id), "delivered"); got != 1 {
			s.t.Errorf("%s: delivered %d times: %s", what, got, s.beta.kinds(id))
		}
	}
}

// empty waits until there is nothing in the folder that an agent should have
// removed.
func (s *estate) empty(what string) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 60 {
		if len(s.left()) == 0 {
			return
		}
		<-tick.C
	}
	// What comes back after its transfer has ended is for the sweep.
	for _, h := range []*host{s.alpha, s.beta} {
		h.stop()
		h.start()
	}
	s.alpha.until(what+": the folder", func() bool { return len(s.left()) == 0 }, func() any { return s.left() })
}

func (s *estate) left() []string {
	return slices.DeleteFunc(leftIn(s.t, s.landlord.folder), func(path string) bool {
		name := filepath.Base(path)
		return strings.HasPrefix(name, "stranger-") || name == "readme.txt" || strings.HasPrefix(name, "t-") // not of agents, or of a moment
	})
}

// deeds are all that is done in one shape of transfer: the whole list when all
// shapes are taken together.
func deeds(mine func(agent string) []byte, of, nth int, kind shape) (out []deed) {
	i := 0
	share := func(d deed) {
		if i++; i%of == nth {
			out = append(out, d)
		}
	}
	for n := 1; n <= kind.puts; n++ {
		for _, d := range letterDeeds() {
			d.n = n
			share(d)
		}
	}
	for _, d := range slices.Concat(keyDeeds(mine), folderDeeds(), grantDeeds(), objectDeeds()) {
		share(d)
	}
	return out
}

// TestOwner: whatever the owner of a shared folder does to letters, objects,
// blocks, grants and keys in the middle of a transfer is refused or detected under
// a code that has a name, or does no harm: nothing wrong is delivered, nothing
// twice, no receipt is false, and when the owner leaves off all is delivered and
// nothing is left.
func TestOwner(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("what is open cannot be taken away there, and links need a right")
	}
	sample := 24 // of which one is done
	if *long {
		sample = 2 // each deed in two shapes
	}
	var mu sync.Mutex
	table, total := map[string]map[string]int{}, 0
	t.Run("shapes", func(t *testing.T) {
		for nth, kind := range shapes() {
			t.Run(kind.name, func(t *testing.T) {
				t.Parallel()
				stranger := map[string][]byte{}
				for _, name := range []mft.AgentName{"alpha", "beta"} {
					keys, err := identity.LoadOrCreate(filepath.Join(t.TempDir(), string(name)), name, time.Now())
					if err != nil {
						t.Fatal(err)
					}
					stranger[string(name)] = card.Make(keys)
				}
				all := deeds(func(agent string) []byte { return stranger[agent] }, sample, nth%sample, kind)
				found := own(t, kind, uint64(nth), all)
				mu.Lock()
				defer mu.Unlock()
				total += len(all)
				for what, n := range found {
					if table[what[0]] == nil {
						table[what[0]] = map[string]int{}
					}
					table[what[0]][what[1]] += n
				}
			})
		}
	})
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(table)) {
		n := 0
		for _, k := range table[what] {
			n += k
		}
		fmt.Fprintf(&b, "\n%-20s %4d", what, n)
		for _, how := range slices.Sorted(maps.Keys(table[what])) {
			fmt.Fprintf(&b, "\n    %-60s %4d", how, table[what][how])
		}
	}
	t.Logf("%d deeds%s", total, b.String())
}

// own does all deeds in transfers of one shape. What it returns counts outcomes
// by kind.
func own(t *testing.T, kind shape, seed uint64, all []deed) map[[2]string]int {
	s := newEstate(t, seed)
	found, ids := map[[2]string]int{}, map[mft.TransferID]string{}
	s.landlord.arm(&deed{kind: "none", at: onPublish, n: 1, do: func(o *landlord, object string) {
		dir := o.blocks(object)
		for _, name := range o.names(dir) {
			o.old[name] = string(o.read(filepath.Join(dir, name)))
		}
	}})
	id, out, in := s.begin(kind)
	s.settle("nothing", id, out, in)
	ids[id] = "nothing"
	for i := range all {
		d := &all[i]
		what := fmt.Sprintf("%s %d of %s: %s: %s", d.at, d.n, kind.name, d.kind, d.name)
		if os.Getenv("MFT_TEST_LOG") != "" {
			fmt.Fprintln(os.Stderr, time.Now().Format("05.000"), what)
		}
		s.empty(what)
		s.ear.heard()
		s.landlord.arm(d)
		id, out, in := s.begin(kind)
		state, days := s.settle(what, id, out, in)
		if state == mft.StateDone {
			ids[id] = what
		}
		s.landlord.repair()
		s.landlord.release()
		s.calm()
		if !s.landlord.arm(nil) {
			t.Errorf("%s: nothing was done", what)
		}
		sent, received := s.states(id)
		refused := d.kind == kindKeys && strings.HasSuffix(d.name, foreignKey) && (sent.Reason.Code == mft.CodeUntrusted || received.Reason.Code == mft.CodeUntrusted)
		if state != mft.StateDone && !refused {
			t.Errorf("%s: it ended as %s (%+v) and %s (%+v)", what, sent.State, sent.Reason, received.State, received.Reason)
		}
		found[[2]string{d.kind, s.outcome(what, id, days)}]++
		if t.Failed() && len(ids) > 400 {
			break
		}
	}
	s.empty("at the end")
	s.unmoved(ids)
	s.kept()
	return found
}

// calm waits until no letters lie in the folder.
func (s *estate) calm() {
	s.alpha.until("letters", func() bool {
		for _, path := range s.left() {
			if strings.Contains(path, "/queue/") && !strings.Contains(path, "-ffffffffffff-") {
				return false
			}
		}
		return true
	}, func() any { return s.left() })
	for _, agent := range []string{"alpha", "beta"} { // what only its owner can remove, or nobody would for a long time
		queue := filepath.Join(s.landlord.folder, agent, "queue")
		for _, name := range s.landlord.names(queue) {
			s.landlord.must(os.RemoveAll(filepath.Join(queue, name)))
		}
	}
}

// inside finds the codes in a sentence.
var inside = regexp.MustCompile(`\[([A-Z_]+)\]`)

// outcome says how the deed was met, in codes.
func (s *estate) outcome(what string, id mft.TransferID, days int) string {
	for _, h := range []*host{s.alpha, s.beta} {
		events, err := h.agent.TransferEvents(s.t.Context(), id)
		if err != nil {
			s.t.Error(err)
		}
		for _, e := range events {
			s.ear.hear(e.Code)
			for _, m := range inside.FindAllStringSubmatch(e.Detail, -1) {
				s.ear.hear(mft.Code(m[1]))
			}
		}
	}
	codes := s.ear.heard()
	var words []string
	for _, code := range codes {
		if code == mft.CodeOther || code == mft.CodeInternal {
			s.t.Errorf("%s: there is no name for what happened: %s", what, code)
		}
		words = append(words, string(code))
	}
	how := "harmless"
	if len(words) > 0 {
		how = strings.Join(words, " ")
	} else if days > 0 {
		how = "told again after a day"
	}
	return how
}

// kept checks what the agents keep after their next sweep: nothing but letters
// that were put aside, in pairs.
func (s *estate) kept() {
	aside := 0
	for _, h := range []*host{s.alpha, s.beta} {
		h.stop()
		h.start()
		kept := func() map[string]string { return tree(s.t, filepath.Join(h.conf.Agent.DataDir, "relay")) }
		var letters, reasons int
		h.until("what it keeps", func() bool {
			letters, reasons = 0, 0
			more := 0
			for name := range kept() {
				switch {
				case name == "instance", name == "aside/":
				case strings.HasSuffix(name, ".letter"):
					letters++
				case strings.HasSuffix(name, ".reason"):
					reasons++
				default:
					more++
				}
			}
			return more == 0
		}, func() any { return slices.Sorted(maps.Keys(kept())) })
		if letters != reasons {
			s.t.Errorf("%s has put %d letters aside, for %d reasons", h.conf.Agent.Name, letters, reasons)
		}
		aside += letters
	}
	s.t.Logf("%d letters were put aside", aside)
}
