package interop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mft.dev/mft/internal/rig"
)

// TestCommitOrderAsStraceSeesIt watches the receiver deliver one file. Before
// the file gets its name its content and the decision are on stable storage;
// before the sender hears of it, the name is.
func TestCommitOrderAsStraceSeesIt(t *testing.T) {
	strace := program(t, "strace")
	for _, tt := range []struct {
		name string
		size int
	}{{"small", 1000}, {"big", 5 << 20}} {
		t.Run(tt.name, func(t *testing.T) {
			alpha, beta := newHost(t, "alpha"), newHost(t, "beta")
			ctx := patient(t)
			seen := filepath.Join(beta.Dir, "strace.txt")
			// With -D the agent is our child, and strace stands beside it.
			traced := exec.Command(strace, "-D", "-f", "-y", "-s", "0", "-o", seen,
				"-e", "trace=write,pwrite64,fsync,fdatasync,syncfs,rename,renameat,renameat2,linkat", beta.Binary(), "run")
			for _, err := range []error{
				alpha.Start(ctx), beta.Launch(traced, syscall.SIGKILL), beta.Await(ctx), rig.Pair(ctx, alpha, beta, beta.Addr),
				os.WriteFile(filepath.Join(alpha.Out(), "report"), make([]byte, tt.size), 0o600),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			if _, err := alpha.Mft(ctx, "copy", filepath.Join(alpha.Out(), "report"), "--dest-agent", "beta", "--dest-path", beta.In()+"/"); err != nil {
				t.Fatal(err)
			}
			if err := beta.Stop(); err != nil {
				t.Fatal(err)
			}
			calls, err := finished(ctx, seen)
			if err != nil {
				t.Fatal(err)
			}
			checkOrder(t, calls, beta)
		})
	}
}

// finished returns the calls that strace wrote down, once it has written down
// the end of the agent.
func finished(ctx context.Context, file string) ([]string, error) {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(strings.TrimSpace(string(b)), "+++ exited with 0 +++") {
			return joined(string(b)), nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("strace has not seen the agent end: %w", ctx.Err())
		case <-again.C:
		}
	}
}

// beforeResult is the end of a call's arguments, and the blanks with which strace
// aligns results.
var beforeResult = regexp.MustCompile(`\s*\)\s+= `)

// joined joins the two halves of calls that other threads interrupted, in the
// place of the second. What comes out reads as if none had been.
func joined(log string) []string {
	var out []string
	open := map[string]string{}
	for line := range strings.Lines(log) {
		pid, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		if head, ok := strings.CutSuffix(rest, "<unfinished ...>"); ok {
			open[pid] = strings.TrimSpace(head)
			continue
		}
		if strings.HasPrefix(rest, "<... ") {
			_, end, _ := strings.Cut(rest, " resumed>")
			rest = open[pid] + end
		}
		out = append(out, beforeResult.ReplaceAllString(rest, ") = "))
	}
	return out
}

func TestJoined(t *testing.T) {
	const log = `7 fsync(18</srv/in> <unfinished ...>
8 renameat2(20</srv/in/.part>, "a", 18</srv/in>, "report", 0 <unfinished ...>
7 <... fsync resumed> )              = 0
8 <... renameat2 resumed>)   = 0
7 fsync(18</srv/in>)                 = 0
`
	want := []string{
		`fsync(18</srv/in>) = 0`,
		`renameat2(20</srv/in/.part>, "a", 18</srv/in>, "report", 0) = 0`,
		`fsync(18</srv/in>) = 0`,
	}
	if got := joined(log); !slices.Equal(got, want) {
		t.Errorf("joined:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// checkOrder finds the steps of the commit, each after the one before.
func checkOrder(t *testing.T, calls []string, beta *rig.Host) {
	t.Helper()
	in, data := regexp.QuoteMeta(beta.In()), regexp.QuoteMeta(beta.Data())
	name := regexp.MustCompile(`^(rename|link)\w*\(.*"report".*\) = 0`)
	at := -1
	for i, c := range calls {
		if name.MatchString(c) {
			if at >= 0 {
				t.Errorf("the name was given twice:\n%s\n%s", calls[at], c)
			}
			at = i
		}
	}
	if at < 0 {
		t.Fatalf("no call gave the file its name:\n%s", strings.Join(calls, "\n"))
	}
	// What comes before the name, backwards; and after it.
	before := []struct{ what, call string }{
		{"the decision in the journal is flushed", `^f(data)?sync\(\d+<` + data + `/journal[^>]*>\) = 0`},
		{"the content is flushed", `^(fsync|fdatasync|syncfs)\(\d+<` + in + `[^>]*>\) = 0`},
	}
	i := at
	for _, step := range before {
		re := regexp.MustCompile(step.call)
		for i--; i >= 0 && !re.MatchString(calls[i]); i-- {
			if strings.Contains(calls[i], "write") && strings.Contains(calls[i], "<"+beta.In()) {
				t.Errorf("content is written when it should be flushed already: %s", calls[i])
			}
		}
		if i < 0 {
			t.Fatalf("before the file gets its name: never %s:\n%s", step.what, strings.Join(calls[:at+1], "\n"))
		}
	}
	after := []struct{ what, call string }{
		{"the directory is flushed", `^(fsync|fdatasync|syncfs)\(\d+<` + in + `>\) = 0`},
		{"the delivery in the journal is flushed", `^f(data)?sync\(\d+<` + data + `/journal[^>]*>\) = 0`},
	}
	i = at
	for _, step := range after {
		re := regexp.MustCompile(step.call)
		for i++; i < len(calls) && !re.MatchString(calls[i]); i++ {
		}
		if i == len(calls) {
			t.Fatalf("after the file got its name: never %s:\n%s", step.what, strings.Join(calls[at:], "\n"))
		}
	}
}
