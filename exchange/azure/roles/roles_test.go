package roles

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mft.dev/mft"
)

var update = flag.Bool("update", false, "write the golden files anew")

func wanted(with func(*Wanted)) Wanted {
	w := Wanted{
		Agent: "erp", Peers: []mft.AgentName{"ledger", "bank-2"}, Account: "exchange1", ResourceGroup: "files",
		Subscription: "00000000-1111-2222-3333-444444444444", Principal: "55555555-6666-7777-8888-999999999999",
	}
	if with != nil {
		with(&w)
	}
	return w
}

func TestGolden(t *testing.T) {
	for name, w := range map[string]Wanted{
		"two-peers":      wanted(nil),
		"the same again": wanted(func(w *Wanted) { w.Peers = append(w.Peers, "ledger", "erp") }),
		"nobody": wanted(func(w *Wanted) {
			w.Agent, w.Peers, w.Principal, w.ResourceGroup = "lonely-agent", nil, "", "files-(old)"
		}),
	} {
		t.Run(name, func(t *testing.T) {
			commands, err := w.Commands()
			name = strings.ReplaceAll(name, "the same again", "two-peers")
			golden(t, name+".sh", commands, err)
			bicep, err := w.Bicep()
			golden(t, name+".bicep", bicep, err)
			for _, text := range []string{commands, bicep} {
				if n := strings.Count(text, "("+queueSender.name+")"); n != min(len(w.Peers), 2) {
					t.Errorf("%d queues of others may be put to, want %d", n, len(w.Peers))
				}
				if !strings.Contains(text, string(w.Agent)+"/") {
					t.Error("nothing limits the statements to those of the agent")
				}
			}
		})
	}
}

func golden(t *testing.T, name, got string, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != strings.ReplaceAll(string(want), "\r\n", "\n") {
		t.Errorf("%s is not what is written now; write it with: go test -update ./exchange/azure/roles\n%s", file, got)
	}
}

// TestRefuses has names that would be more than a name in a script.
func TestRefuses(t *testing.T) {
	for name, with := range map[string]func(*Wanted){
		"an agent":        func(w *Wanted) { w.Agent = "erp; rm -rf" },
		"a short agent":   func(w *Wanted) { w.Agent = "ab" },
		"a peer":          func(w *Wanted) { w.Peers = []mft.AgentName{"ok-name", "$(id)"} },
		"an account":      func(w *Wanted) { w.Account = "a'b" },
		"a group":         func(w *Wanted) { w.ResourceGroup = "files`id`" },
		"a group's quote": func(w *Wanted) { w.ResourceGroup = "(a'b)" },
		"a subscription":  func(w *Wanted) { w.Subscription = "mine" },
		"a principal":     func(w *Wanted) { w.Principal = "55555555-6666-7777-8888-99999999999\n9" },
	} {
		t.Run(name, func(t *testing.T) {
			w := wanted(with)
			_, errCommands := w.Commands()
			_, errBicep := w.Bicep()
			for _, err := range []error{errCommands, errBicep} {
				if code := mft.CodeOf(err); code != mft.CodeUsage && code != mft.CodeBadName {
					t.Errorf("%v, want USAGE or BAD_NAME", err)
				}
			}
		})
	}
}
