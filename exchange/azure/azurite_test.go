package azure

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"mft.dev/mft"
	"mft.dev/mft/exchange/azure/account"
	"mft.dev/mft/exchange/exchangetest"
)

// The emulator: its account, and the key that all the world knows.
const (
	emulated    = "devstoreaccount1"
	emulatedKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// commandVar says how Azurite is started, where it is not in the path.
const commandVar = "MFT_AZURITE"

// An azurite is one that runs.
type azurite struct{ blobs, queues string } // as HOST:PORT

// running is the one that most tests share. TestMain starts it.
var running azurite

func TestMain(m *testing.M) { os.Exit(withAzurite(m)) }

func withAzurite(m *testing.M) int {
	flag.Parse()
	worker := flag.Lookup("test.fuzzworker")
	command := azuriteCommand()
	if command == nil || worker != nil && worker.Value.String() == "true" { // what is fuzzed asks nobody
		return m.Run()
	}
	stop, a, err := start(command)
	if err != nil {
		fmt.Fprintln(os.Stderr, "start Azurite:", err)
		return 1
	}
	defer stop()
	running = a
	return m.Run()
}

func azuriteCommand() []string {
	if words := strings.Fields(os.Getenv(commandVar)); len(words) > 0 {
		return words
	}
	if path, err := exec.LookPath("azurite"); err == nil {
		return []string{path}
	}
	return nil
}

// start starts Azurite, with nothing on disk, and waits until it listens.
func start(command []string, more ...string) (stop func(), a azurite, err error) {
	args := append(command[1:len(command):len(command)], "--skipApiVersionCheck", "--disableTelemetry", "--inMemoryPersistence",
		"--blobHost", "127.0.0.1", "--blobPort", "0", "--queueHost", "127.0.0.1", "--queuePort", "0", "--tableHost", "127.0.0.1", "--tablePort", "0")
	cmd := exec.Command(command[0], append(args, more...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, a, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, a, err
	}
	late := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	listening := regexp.MustCompile(`Azurite (Blob|Queue) service is successfully listening at https?://(\S+)`)
	lines := bufio.NewScanner(out)
	for (a.blobs == "" || a.queues == "") && lines.Scan() {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil && m[1] == "Blob" {
			a.blobs = m[2]
		} else if m != nil {
			a.queues = m[2]
		}
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() {
		}
	}()
	stop = func() {
		late.Stop()
		_ = cmd.Process.Kill()
		<-drained
		_ = cmd.Wait()
	}
	if !late.Stop() || a.queues == "" {
		stop()
		return nil, a, fmt.Errorf("%s did not come up", command[0])
	}
	return stop, a, nil
}

// emulator returns the Azurite that runs, or skips the test.
func emulator(t *testing.T) azurite {
	t.Helper()
	if running.blobs == "" {
		missing(t)
	}
	return running
}

func missing(t *testing.T) {
	t.Helper()
	const why = "there is no azurite in the path, and " + commandVar + " does not say how to start it; see interop/install-peers.sh"
	if os.Getenv("MFT_PEERS") == "required" {
		t.Fatal("MFT_PEERS=required, but " + why)
	}
	t.Skip(why)
}

// number makes names that no other test uses.
var number atomic.Int64

func fresh(name string) mft.AgentName {
	return mft.AgentName(fmt.Sprintf("%s-%d", name, number.Add(1)))
}

func secret(s string) account.Secret { return func() (string, error) { return s, nil } }

// config is that of an agent with the account key.
func (a azurite) config(agent mft.AgentName) account.Config {
	return account.Config{
		Agent: agent, Account: emulated, BlobURL: "http://" + a.blobs + "/" + emulated, QueueURL: "http://" + a.queues + "/" + emulated,
		Credential: account.Credential{AccountKey: secret(emulatedKey)}, Poll: -1,
	}
}

// quick are retries for tests.
var quick = policy.RetryOptions{MaxRetries: 2, RetryDelay: time.Millisecond, MaxRetryDelay: 2 * time.Millisecond, TryTimeout: 20 * time.Second}

// open opens the storage with a configuration.
func open(t *testing.T, c account.Config) *Storage {
	t.Helper()
	return openWith(t, c, nil, nil)
}

func openWith(t *testing.T, c account.Config, token azcore.TokenCredential, transport http.RoundTripper) *Storage {
	t.Helper()
	retry := quick
	a, err := account.Open(c, account.Parts{Token: token, Transport: transport, Retry: &retry})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return New(a)
}

// newAgent opens the storage for an agent that is set up.
func newAgent(t *testing.T, name string) *Storage {
	t.Helper()
	s := open(t, emulator(t).config(fresh(name)))
	setUp(t, s)
	return s
}

func setUp(t *testing.T, s *Storage) {
	t.Helper()
	if _, err := s.Setup(patient(t)); err != nil {
		t.Fatal(err)
	}
}

// patient returns a context for something that must come to an end.
func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestConformance(t *testing.T) {
	emulator(t)
	exchangetest.Run(t, func(t *testing.T) exchangetest.Bench {
		a, b := newAgent(t, "alpha"), newAgent(t, "beta")
		twin := open(t, emulator(t).config(b.agent))
		return exchangetest.Bench{
			NameA: a.agent, NameB: b.agent, Absent: fresh("nobody"),
			A: a.Exchange(), B: b.Exchange(), Twin: twin.Exchange(),
			// The storage counts in seconds, by a clock that cannot be moved.
			Lease: 3 * time.Second, Life: 3 * time.Second,
			Elapse: func(d time.Duration) { <-time.After(d) },
		}
	})
}
