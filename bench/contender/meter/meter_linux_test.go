package meter

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const tail = " S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0 1 0 500 1000 200"
	for _, tc := range []struct {
		name, line string
		want       time.Duration
		bad        bool
	}{
		{"plain", "12 (mft)" + tail, 1270 * time.Millisecond, false},
		{"a name with parentheses and spaces", "12 (a) b (c)" + tail, 1270 * time.Millisecond, false},
		{"too short", "12 (mft) S 1 2", 0, true},
		{"no number", strings.Replace("12 (mft)"+tail, " 100 ", " x ", 1), 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := parseStat([]byte(tc.line))
			if got != tc.want || (err != nil) != tc.bad {
				t.Errorf("parseStat(%q) = %v, %v; want %v, an error: %v", tc.line, got, err, tc.want, tc.bad)
			}
		})
	}
}

func TestParseStatus(t *testing.T) {
	const status = "Name:\tmft\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\n"
	if got, err := parseStatus(status, "VmHWM:"); got != 20<<20 || err != nil {
		t.Errorf("parseStatus of VmHWM = %d, %v; want 20 MiB", got, err)
	}
	if got, err := parseStatus(status, "VmSwap:"); err == nil {
		t.Errorf("parseStatus of what is not there = %d, want an error", got)
	}
}

func TestParseDevice(t *testing.T) {
	const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    1234      10    0    0    0     0          0         0     5678      10    0    0    0     0       0          0
 far0:       0       0    0    0    0     0          0         0        9       1    0    0    0     0       0          0
`
	if got, err := parseDevice(text, "lo"); got != 5678 || err != nil {
		t.Errorf("parseDevice of lo = %d, %v; want 5678", got, err)
	}
	if got, err := parseDevice(text, "eth0"); err == nil {
		t.Errorf("parseDevice of what is not there = %d, want an error", got)
	}
}

// TestLap runs a client that tells nothing but that it was there.
func TestLap(t *testing.T) {
	passed := int64(100)
	wire := func() (int64, error) { passed += 50; return passed, nil }
	daemons := []Daemon{{Side: Receiver, PID: os.Getpid()}}
	lap, err := Begin(daemons, wire, true)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := lap.Run(ctx, exec.CommandContext(ctx, "sh", "-c", "exit 0")); err != nil {
		t.Errorf("Run: %v", err)
	}
	err = lap.Run(ctx, exec.CommandContext(ctx, "sh", "-c", "echo what is wrong >&2; exit 3"))
	if err == nil || !strings.Contains(err.Error(), "exit status 3: what is wrong") {
		t.Errorf("Run of a command that fails = %v, want its status and what it says", err)
	}
	reading, err := lap.End(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if reading.Wire != 50 {
		t.Errorf("%d bytes crossed the wire, want 50", reading.Wire)
	}
	if reading.Loads[Receiver].Peak <= 0 {
		t.Error("the daemon has no peak memory")
	}
	if load := reading.Loads[Receiver]; load.Private <= 0 || load.Private > load.Peak {
		t.Errorf("of the %d bytes of the daemon %d are its own", load.Peak, load.Private)
	}
}

func TestRunObeysItsContext(t *testing.T) {
	lap, err := Begin(nil, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	// The shell's child holds the pipe as well; it must go too.
	cmd := exec.CommandContext(ctx, "sh", "-c", "cat <&3 & wait")
	cmd.ExtraFiles = []*os.File{read}
	wait := lap.Start(Sender, cmd)
	cancel()
	if err := wait(ctx); err == nil {
		t.Error("a client outlives its context without an error")
	}
	write.Close()
	if _, err := lap.End(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestTree: what a daemon has others do counts as its own, whether they have ended since
// or not.
func TestTree(t *testing.T) {
	const burn = `i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; `
	cmd := exec.Command("sh", "-c", `exec 3<&0; read x; sh -c '`+burn+`'; sh -c '`+burn+`read x <&3' & wait`)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		_ = cmd.Wait() // what it says is of no interest
	}()
	alone, tree := Daemon{Side: Receiver, PID: cmd.Process.Pid}, Daemon{Side: Sender, PID: cmd.Process.Pid, Tree: true}
	lap, err := Begin([]Daemon{alone, tree}, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "go\n"); err != nil {
		t.Fatal(err)
	}
	for {
		all, err := tree.cpu()
		if err != nil {
			t.Fatal(err)
		}
		one, err := alone.cpu()
		if err != nil {
			t.Fatal(err)
		}
		if one >= 5*tick && all >= one+5*tick {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	r, err := lap.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if one, all := r.Loads[Receiver], r.Loads[Sender]; all.CPU <= one.CPU || all.Peak < one.Peak || one.CPU == 0 {
		t.Errorf("by itself %+v, with all below %+v", one, all)
	}
}
