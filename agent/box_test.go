package agent_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mft.dev/mft"
	"mft.dev/mft/agent"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/order"
	"mft.dev/mft/agent/pairing"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/mailbox"
	"mft.dev/mft/journal"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == mark {
		os.Exit(runAsCommand(os.Args[2], os.Args[3:]))
	}
	goleak.VerifyTestMain(m)
}

// patience bounds how long a test waits for what must happen.
const patience = 60 * time.Second

// A host is one agent with directories of its own.
type host struct {
	t        *testing.T
	dir      string
	in, out  string
	addr     string
	conf     *config.Config
	agent    *agent.Agent
	stopping context.CancelFunc
	ended    chan error
	exchange *exchange.Exchange // nil for none
	// What is zero is as other tests have it.
	now     func() time.Time
	log     *slog.Logger
	letters mailbox.Delays
}

// newHost makes a host whose agent does not run yet.
func newHost(t *testing.T, name string) *host {
	t.Helper()
	dir := t.TempDir()
	h := &host{t: t, dir: dir, in: filepath.Join(dir, "in"), out: filepath.Join(dir, "out")}
	for _, d := range []string{h.in, h.out} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h.addr = freeAddress(t)
	h.conf = &config.Config{Agent: config.Agent{
		Name: mft.AgentName(name), Listen: h.addr, Address: h.addr, DataDir: filepath.Join(dir, "data"), MaxTransfers: 4,
	}}
	return h
}

// start runs the agent until stop or the end of the test.
func (h *host) start() *host {
	h.t.Helper()
	a, err := newAgent(h)
	if err != nil {
		h.t.Fatalf("agent.New of %s: %v", h.conf.Agent.Name, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.agent, h.stopping, h.ended = a, cancel, make(chan error, 1)
	go func() { h.ended <- a.Run(ctx) }()
	h.t.Cleanup(h.stop)
	h.until("the agent", func() bool {
		s, err := a.Status(h.t.Context())
		return err == nil && s.Listening != ""
	}, func() any { return "not listening" })
	return h
}

// soon is how long is waited for letters in a test.
var soon = mailbox.Delays{First: 50 * time.Millisecond, Busy: 250 * time.Millisecond, Pause: 50 * time.Millisecond, LongPause: time.Second}

// newAgent makes the agent of h. With MFT_TEST_LOG set it says what it does.
func newAgent(h *host) (*agent.Agent, error) {
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("MFT_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("agent", h.conf.Agent.Name)
	}
	if h.log != nil {
		log = h.log
	}
	delays := soon
	if h.letters != (mailbox.Delays{}) {
		delays = h.letters
	}
	return agent.New(agent.Options{Config: h.conf, Version: "test", Log: log, Exchange: h.exchange, Letters: delays, CardsFor: -1, Now: h.now})
}

// stop ends the agent; a second call does nothing.
func (h *host) stop() {
	h.t.Helper()
	if h.agent == nil {
		return
	}
	h.stopping()
	select {
	case err := <-h.ended:
		if err != nil {
			h.t.Errorf("Run of %s ended with %v, want nil", h.conf.Agent.Name, err)
		}
	case <-time.After(patience):
		h.t.Fatalf("Run of %s does not end", h.conf.Agent.Name)
	}
	if err := h.agent.Close(); err != nil {
		h.t.Errorf("Close of %s: %v", h.conf.Agent.Name, err)
	}
	h.agent = nil
}

// pair has two hosts trust each other and lets each send files into the
// other's in and ask for files of its out.
func pair(t *testing.T, a, b *host) {
	t.Helper()
	i, err := a.agent.Invite("", pairing.Grant{FilesInto: a.in, RequestsRoot: a.out})
	if err != nil {
		t.Fatalf("Invite: %v", err)
	}
	if _, err := b.agent.Join(t.Context(), i.Line(), pairing.Grant{FilesInto: b.in, RequestsRoot: b.out}); err != nil {
		t.Fatalf("Join: %v", err)
	}
}

// pairOf starts two hosts that trust each other.
func pairOf(t *testing.T) (alpha, beta *host) {
	t.Helper()
	alpha, beta = newHost(t, "alpha").start(), newHost(t, "beta").start()
	pair(t, alpha, beta)
	return alpha, beta
}

// write makes a file below dir and returns its path.
func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// big makes a file of n bytes that no disk image compresses away.
func big(t *testing.T, dir, name string, n int) string {
	t.Helper()
	b := make([]byte, n)
	x := uint64(88172645463325252)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return write(t, dir, name, string(b))
}

// copyTo orders one copy and returns its transfer.
func (h *host) copyTo(to *host, path string, o mft.Overwrite, sources ...string) mft.TransferID {
	h.t.Helper()
	placed, err := h.agent.Copy(h.t.Context(), sources, []order.Destination{{Agent: to.conf.Agent.Name, Path: path, Overwrite: o}})
	if err != nil {
		h.t.Fatalf("Copy(%q): %v", sources, err)
	}
	if placed[0].Err != nil {
		h.t.Fatalf("Copy(%q) to %s: %v", sources, path, placed[0].Err)
	}
	return placed[0].Transfer
}

// await returns the transfer once it is in one of the states.
func (h *host) await(id mft.TransferID, states ...mft.State) mft.Transfer {
	h.t.Helper()
	return h.awaitIf(id, func(t mft.Transfer) bool { return slices.Contains(states, t.State) })
}

// awaitIf returns the transfer once ok says so.
func (h *host) awaitIf(id mft.TransferID, ok func(mft.Transfer) bool) mft.Transfer {
	h.t.Helper()
	var last mft.Transfer
	h.until("transfer "+id.String(), func() bool {
		t, _, err := h.agent.Transfer(h.t.Context(), id)
		last = t
		return err == nil && ok(t)
	}, func() any { return last })
	return last
}

// until waits until ok holds.
func (h *host) until(what string, ok func() bool, state func() any) {
	h.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			h.t.Fatalf("%s: %s did not come to what was waited for; it is %+v", h.conf.Agent.Name, what, state())
		case <-tick.C:
		}
	}
}

// kinds returns the events of a transfer, as words.
func (h *host) kinds(id mft.TransferID) string {
	h.t.Helper()
	events, err := h.agent.TransferEvents(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	var out []string
	for _, e := range events {
		out = append(out, string(e.Kind))
	}
	return strings.Join(out, " ")
}

// list returns the transfers that f chooses.
func (h *host) list(f journal.Filter) []mft.Transfer {
	h.t.Helper()
	list, err := h.agent.Transfers(h.t.Context(), f)
	if err != nil {
		h.t.Fatal(err)
	}
	return list
}

// tree returns path and content of every file below dir, and the paths of
// directories with a slash.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // staging comes and goes
			return nil
		}
		if err != nil || path == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if d.IsDir() {
			out[rel+"/"] = ""
			return nil
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		out[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
