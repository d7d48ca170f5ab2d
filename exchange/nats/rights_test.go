package nats

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"mft.dev/mft"
	"mft.dev/mft/exchange/exchangetest"
	"mft.dev/mft/exchange/nats/cluster"
	"mft.dev/mft/exchange/probe"
)

// guarded runs a server that gives each agent what Rights prints for it.
func guarded(t *testing.T, noBox bool, agents ...mft.AgentName) *server.Server {
	t.Helper()
	var text strings.Builder
	text.WriteString("authorization: { users: [\n")
	for _, a := range agents {
		rights, err := Rights(a, agents, noBox)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "{ user: %q, password: %q\n%s}\n", a, "secret of "+a, rights)
	}
	text.WriteString("] }\n")
	path := filepath.Join(t.TempDir(), "server.conf")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatalf("the server does not understand what Rights prints: %v\n%s", err, text.String())
	}
	return serve(t, func(o *server.Options) { o.Users = conf.Users })
}

func member(t *testing.T, at *server.Server, agent mft.AgentName, o Options) *Storage {
	t.Helper()
	return open(t, cluster.Config{
		Agent: agent, Servers: []string{at.ClientURL()}, Patience: 5 * time.Second,
		Credential: cluster.Credential{User: string(agent), Password: secret("secret of " + string(agent) + "\n")},
	}, o)
}

func secret(s string) cluster.Secret { return func() (string, error) { return s, nil } }

// TestConformanceByRights: what Rights prints is enough for all that an agent does.
func TestConformanceByRights(t *testing.T) {
	exchangetest.Run(t, func(t *testing.T) exchangetest.Bench {
		at := guarded(t, false, "alpha", "beta", "nobody")
		join := func(name mft.AgentName) *Storage {
			s := member(t, at, name, Options{})
			if _, err := s.Setup(t.Context()); err != nil {
				t.Fatal(err)
			}
			return s
		}
		return exchangetest.Bench{
			NameA: "alpha", NameB: "beta", Absent: "nobody",
			A: join("alpha").Exchange(), B: join("beta").Exchange(), Twin: join("beta").Exchange(),
			Lease: 2 * time.Second, Life: 2 * time.Second,
			Elapse: func(d time.Duration) { <-time.After(d) },
		}
	})
}

func bad(found []probe.Finding) []string {
	var out []string
	for _, f := range found {
		if !f.OK {
			out = append(out, f.What+": "+f.Says)
		}
	}
	return out
}

// TestCheck: with the rights that are printed all is well; with all rights, and
// with none, Check says so.
func TestCheck(t *testing.T) {
	for _, noBox := range []bool{false, true} {
		t.Run(fmt.Sprintf("noBox=%v", noBox), func(t *testing.T) {
			at := guarded(t, noBox, "alpha", "beta")
			alpha, beta := member(t, at, "alpha", Options{NoBox: noBox}), member(t, at, "beta", Options{NoBox: noBox})
			if got := bad(alpha.Check(t.Context(), "")); len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), "find the stream") {
				t.Errorf("Check before Setup finds %q, want the streams that are missing", got)
			}
			for _, s := range []*Storage{alpha, beta} {
				for _, want := range []string{"made", "nothing"} {
					steps, err := s.Setup(t.Context())
					if err != nil || steps[0].Done != want {
						t.Fatalf("Setup: %+v, %v; want %q", steps, err, want)
					}
				}
				if err := (keys{s}).Publish(t.Context(), "key", []byte("statement")); err != nil {
					t.Fatal(err)
				}
			}
			found := alpha.Check(t.Context(), "beta")
			if got := bad(found); len(got) > 0 || len(found) < 10 {
				t.Errorf("Check finds %q of %d, want nothing", got, len(found))
			}
			if letters, err := (queue{beta}).Take(t.Context(), 1, long); err != nil || len(letters) > 0 {
				t.Errorf("after Check there are letters: %d, %v", len(letters), err)
			}
		})
	}
}

const long = 10 * time.Minute

func TestCheckOpen(t *testing.T) {
	at := serve(t, nil)
	alpha, beta := newAgent(t, at, "alpha"), newAgent(t, at, "beta")
	if err := (keys{beta}).Publish(t.Context(), "key", []byte("statement")); err != nil {
		t.Fatal(err)
	}
	got := bad(alpha.Check(t.Context(), "beta"))
	if len(got) != 5 || strings.Count(strings.Join(got, "\n"), "must not be") != len(got) {
		t.Errorf("Check in an account without permissions finds %q, want that all of the peer's is open", got)
	}
}
