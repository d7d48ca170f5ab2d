package interop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"mft.dev/mft/internal/rig"
)

const binaryVar = "MFT_INTEROP_BINARY"

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "mft-interop-")
	if err == nil {
		defer os.RemoveAll(dir)
		var binary string
		if binary, err = rig.Build(context.Background(), dir); err == nil {
			err = os.Setenv(binaryVar, binary)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// program returns the path of a program that the test needs.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("MFT_PEERS") == "required" {
		t.Fatalf("MFT_PEERS=required, but %v; see interop/install-peers.sh", err)
	}
	t.Skipf("%v; see interop/install-peers.sh", err)
	return ""
}

// patient returns a context for something that must come to an end.
func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// newHost makes a host whose agent does not run.
func newHost(t *testing.T, name string) *rig.Host {
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
	return h
}

// newPair makes two hosts whose agents run and trust each other.
func newPair(t *testing.T) (alpha, beta *rig.Host) {
	t.Helper()
	alpha, beta = newHost(t, "alpha"), newHost(t, "beta")
	ctx := patient(t)
	for _, err := range []error{alpha.Start(ctx), beta.Start(ctx), rig.Pair(ctx, alpha, beta, beta.Addr)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return alpha, beta
}
