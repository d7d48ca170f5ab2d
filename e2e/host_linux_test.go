package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/internal/rig"
)

// patient returns a context for something that must come to an end.
func patient() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), *patience)
}

// A host is a machine of a test. Its methods end the test when they cannot do
// their work, unless they return an error.
type host struct {
	*rig.Host
	t     testing.TB
	space *namespace // in which the agent runs; nil is that of the test
	// For the agent, which needs a space, the directory own is at the path seat; "" for
	// none. So several agents have each their own directory at one path.
	own, seat string
}

// newHost makes a host whose agent has not been started.
func newHost(t testing.TB, name string) *host {
	t.Helper()
	h, err := rig.New(os.Getenv(binaryVar), filepath.Join(t.TempDir(), name), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.Kill()
		if t.Failed() {
			t.Logf("the last lines of %s:\n%s", name, h.Tail())
		}
	})
	return &host{Host: h, t: t}
}

// newPair returns two hosts whose agents run and trust each other; alpha may
// send into beta's In.
func newPair(t testing.TB) (alpha, beta *host) {
	t.Helper()
	alpha, beta = newHost(t, "alpha"), newHost(t, "beta")
	alpha.start()
	beta.start()
	pair(alpha, beta, beta.Addr)
	return alpha, beta
}

// pair lets guest join host, which it reaches at addr.
func pair(guest, host *host, addr string) {
	host.t.Helper()
	ctx, cancel := patient()
	defer cancel()
	if err := rig.Pair(ctx, guest.Host, host.Host, addr); err != nil {
		host.t.Fatal(err)
	}
}

// configure gives the agent, which must not run, another configuration.
func (h *host) configure(sections string) {
	h.t.Helper()
	if err := h.Configure(sections); err != nil {
		h.t.Fatal(err)
	}
}

// start starts the agent and returns once it answers.
func (h *host) start() {
	h.t.Helper()
	if err := h.launch(nil); err != nil {
		h.t.Fatal(err)
	}
	h.await()
}

// launch starts the agent, under the tracer if spec is not nil, and does not
// wait for it.
func (h *host) launch(spec *tracing) error {
	argv := []string{h.Binary(), "run"}
	if h.seat != "" {
		argv = append([]string{"unshare", "--mount", "sh", "-c", `mount --bind "$0" "$1" && shift && exec "$@"`, h.own, h.seat}, argv...)
	}
	if spec == nil && h.space != nil {
		return h.Launch(h.space.command(argv...), syscall.SIGKILL)
	}
	if spec == nil {
		return h.Launch(exec.Command(argv[0], argv[1:]...), syscall.SIGKILL)
	}
	cmd, err := traced(*spec, argv...)
	if err != nil {
		return err
	}
	return h.Launch(cmd, tracerKills)
}

// await returns once the agent answers.
func (h *host) await() {
	h.t.Helper()
	if err := h.awaitOrEnd(); err != nil {
		h.t.Fatal(err)
	}
}

// awaitOrEnd is await for an agent that may be killed while it starts.
func (h *host) awaitOrEnd() error {
	ctx, cancel := patient()
	defer cancel()
	return h.Await(ctx)
}

// stop ends the agent as a service manager does.
func (h *host) stop() {
	h.t.Helper()
	if err := h.Stop(); err != nil {
		h.t.Error(err)
	}
}

// run runs a command of mft.
func (h *host) run(args ...string) (string, error) {
	ctx, cancel := patient()
	defer cancel()
	return h.Mft(ctx, args...)
}

// mft is run for a command that has to work.
func (h *host) mft(args ...string) string {
	h.t.Helper()
	out, err := h.run(args...)
	if err != nil {
		h.t.Fatalf("%v\n%s", err, h.Tail())
	}
	return out
}

// api returns the way to the running agent.
func (h *host) api() *localapi.Client { return localapi.NewClient(h.Socket()) }

// transfers returns what the agent knows of all its transfers.
func (h *host) transfers() ([]localapi.Transfer, error) {
	ctx, cancel := patient()
	defer cancel()
	return h.api().Transfers(ctx, localapi.Filter{Limit: 1 << 20})
}

// awaitEnd waits until the transfer has ended on this host, whatever happens
// to the agent meanwhile, and returns it.
func (h *host) awaitEnd(id mft.TransferID) localapi.Transfer {
	h.t.Helper()
	return h.awaitTransfer(id, func(tr localapi.Transfer) bool { return tr.State.Terminal() })
}

// awaitTransfer waits until ok is true of the transfer.
func (h *host) awaitTransfer(id mft.TransferID, ok func(localapi.Transfer) bool) localapi.Transfer {
	h.t.Helper()
	last, err := h.watch(id, ok)
	if err != nil {
		h.t.Fatal(err)
	}
	return last
}

// watch waits until ok is true of the transfer, whatever happens to the agent
// meanwhile. It gives up when the transfer has not moved for a long time.
func (h *host) watch(id mft.TransferID, ok func(localapi.Transfer) bool) (last localapi.Transfer, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	idle := time.AfterFunc(*patience, cancel)
	defer idle.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	errFound := errors.New("found")
	for {
		err := h.api().Watch(ctx, []mft.TransferID{id}, func(tr localapi.Transfer) error {
			if tr.Moved != last.Moved || tr.Totals != last.Totals {
				idle.Reset(*patience)
			}
			if last = tr; ok(tr) {
				return errFound
			}
			return nil
		})
		if errors.Is(err, errFound) {
			return last, nil
		}
		select {
		case <-ctx.Done():
			out, shown := h.run("transfer", "show", id.String())
			return last, fmt.Errorf("%s: transfer %s has not moved for %v (%w)\n%s%v", h.Name, id, *patience, err, out, shown)
		case <-again.C:
		}
	}
}
