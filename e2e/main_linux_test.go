package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"mft.dev/mft/internal/rig"
)

var (
	long     = flag.Bool("long", false, "the big ones: a 20 GiB file and 1,000,000 files instead of 2 GiB and 50,000; every kind of server group")
	patience = flag.Duration("patience", 3*time.Minute, "how long anything may take before a test gives up on it; nothing is ever timed, a slow machine only makes the tests slow")
	seed     = flag.Uint64("seed", 0, "seed of the random tests; 0 takes a new one, which is printed")
)

// binaryVar names the environment variable with the program under test. Set
// it to test a binary that exists already.
const binaryVar = "MFT_E2E_BINARY"

func TestMain(m *testing.M) {
	runAsSwapper() // which does not return if that is what was asked for
	if status, ours := runAsTracer(); ours {
		os.Exit(status)
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	if os.Getenv(binaryVar) != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "mft-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// Tests of other users need to execute it.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binary, err := rig.Build(context.Background(), dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv(binaryVar, binary)
	return m.Run()
}

// thorough reports whether the tests run at the length that a change has to
// survive before it lands.
func thorough() bool { return os.Getenv("MFT_PEERS") == "required" }

// sample returns full when the tests are to be thorough and little otherwise.
func sample(little, full int) int {
	if thorough() {
		return full
	}
	return little
}

// needs skips the test for a reason that lies outside mft, or fails it when
// nothing may be missing.
func needs(t *testing.T, ok bool, reason string) {
	t.Helper()
	if ok {
		return
	}
	if thorough() {
		t.Fatalf("MFT_PEERS=required, but %s", reason)
	}
	t.Skip(reason)
}

// chance returns a source of random numbers for the test t and prints how to
// get the same one again.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("random numbers: -run '%s' -seed %d", strings.ReplaceAll(t.Name(), "/", "$/^"), s)
	return rand.New(rand.NewPCG(s, 0))
}

// eventually waits until ok, and gives up with what there is to say.
func eventually(t *testing.T, what string, ok func() bool, say func() string) {
	t.Helper()
	for end := time.Now().Add(*patience); !ok(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not come to this: %s\n%s", what, say())
		}
	}
}
