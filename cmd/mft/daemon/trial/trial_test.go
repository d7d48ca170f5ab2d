package trial

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mft.dev/mft"
)

// actEnv says what this program does instead of running tests: it is the
// version on trial.
const actEnv = "MFT_TEST_ACT"

func TestMain(m *testing.M) {
	if act := os.Getenv(actEnv); act != "" {
		os.Exit(play(act))
	}
	goleak.VerifyTestMain(m)
}

// play is a version that behaves in one way.
func play(act string) int {
	s := NewSubject(os.Stdin, os.Stdout)
	over := func() { s.Ended(context.Background()) }
	if os.Getenv("NOTIFY_SOCKET") != "" || os.Getenv("WATCHDOG_USEC") != "" || os.Args[len(os.Args)-1] != "--"+Flag {
		fmt.Fprintln(os.Stderr, "started as it should not be")
		return 9
	}
	switch act {
	case "exits":
		fmt.Fprintln(os.Stderr, "one line\nthe last line")
		return 7
	case "hangs":
		over()
	case "deaf":
		time.Sleep(time.Hour) // until it is killed
	case "accepted", "rejected", "forgotten", "another":
		version := "1.4.0"
		if act == "another" {
			version = "1.3.0"
		}
		if s.Ready(version) != nil {
			return 1
		}
		if act != "forgotten" && act != "another" {
			if err := s.End(act == "accepted"); err != nil {
				return 1
			}
			if s.End(true) == nil {
				return 1 // a verdict is passed on once
			}
		}
		over()
	}
	return 0
}

func TestGuard(t *testing.T) {
	const soon, patience = 50 * time.Millisecond, time.Minute
	for _, tt := range []struct {
		act           string
		ready, accept time.Duration
		stop          time.Duration
		want          string // in the error, "" for none
	}{
		{"accepted", patience, patience, patience, ""},
		{"exits", patience, patience, patience, "the last line"},
		{"hangs", soon, patience, patience, "not ready within"},
		{"deaf", soon, patience, soon, "killed"},
		{"rejected", patience, patience, patience, "may not stay"},
		{"forgotten", patience, soon, patience, "nobody said"},
		{"another", patience, patience, patience, `version "1.3.0", and not 1.4.0`},
	} {
		t.Run(tt.act, func(t *testing.T) {
			t.Parallel()
			var errs bytes.Buffer
			err := Guard{
				Binary: os.Args[0], Version: "1.4.0", Args: []string{"run"}, Errs: &errs, Ready: tt.ready, Accept: tt.accept, Stop: tt.stop,
				Env: append(os.Environ(), actEnv+"="+tt.act, "NOTIFY_SOCKET=/none", "WATCHDOG_USEC=1"),
			}.Run(t.Context())
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("Run = %v, want it accepted", err)
			case tt.want != "" && (mft.CodeOf(err) != mft.CodeTrial || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("Run = %v, want code %s and %q", err, mft.CodeTrial, tt.want)
			}
			if tt.act == "exits" && errs.String() != "one line\nthe last line\n" {
				t.Errorf("what it wrote came as %q", errs.String())
			}
		})
	}
}

func TestGuardIsToldToEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := Guard{
		Binary: os.Args[0], Version: "1.4.0", Errs: &bytes.Buffer{}, Ready: time.Hour, Accept: time.Hour, Stop: time.Minute,
		Env: append(os.Environ(), actEnv+"=hangs"),
	}.Run(ctx)
	if mft.CodeOf(err) != mft.CodeTrial || !strings.Contains(err.Error(), "told to end") {
		t.Errorf("Run = %v, want code %s", err, mft.CodeTrial)
	}
}

func TestNoSuchBinary(t *testing.T) {
	err := Guard{Binary: "/nonexistent/mft", Errs: &bytes.Buffer{}, Ready: time.Hour, Accept: time.Hour, Stop: time.Hour}.Run(t.Context())
	if mft.CodeOf(err) != mft.CodeTrial {
		t.Errorf("Run = %v, want code %s", err, mft.CodeTrial)
	}
}
