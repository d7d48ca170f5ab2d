package depot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/storage"
)

func openIn(t *testing.T, folder string, agent mft.AgentName) *Depot {
	t.Helper()
	d, err := Open(&config.Config{
		Agent:    config.Agent{Name: agent},
		Exchange: &storage.Exchange{Dir: &storage.Dir{Path: storage.Path(folder)}},
	}, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func TestNoExchange(t *testing.T) {
	d, err := Open(&config.Config{}, nil)
	if err != nil || d.Exchange != nil {
		t.Fatalf("Open without an exchange: %+v, %v; want none and no error", d, err)
	}
	defer d.Close()
	if err := d.Ready(t.Context()); err != nil {
		t.Errorf("Ready without an exchange: %v", err)
	}
	if _, err := d.Check(t.Context(), ""); mft.CodeOf(err) != mft.CodeConfig {
		t.Errorf("Check without an exchange: %v, want code %s", err, mft.CodeConfig)
	}
}

func TestFolder(t *testing.T) {
	folder := t.TempDir()
	alpha := openIn(t, folder, "alpha")
	err := alpha.Ready(t.Context())
	if mft.CodeOf(err) != mft.CodeNotFound || !strings.Contains(err.Error(), "mft exchange setup") {
		t.Errorf("Ready before Setup: %v, want code %s and what to do", err, mft.CodeNotFound)
	}
	for _, want := range []string{"made", "nothing"} {
		steps, err := alpha.Setup(t.Context())
		if err != nil || len(steps) != 2 || steps[0].Done != want {
			t.Fatalf("Setup: %+v, %v; want that it says %s", steps, err, want)
		}
	}
	if err := alpha.Ready(t.Context()); err != nil {
		t.Errorf("Ready after Setup: %v", err)
	}
	if bad := failures(t, alpha, ""); len(bad) > 0 {
		t.Errorf("Check finds %q after Setup, want nothing", bad)
	}
	if bad := failures(t, alpha, "beta"); len(bad) != 1 || !strings.Contains(bad[0], "directory of beta") {
		t.Errorf("Check with a peer that is not set up finds %q, want that", bad)
	}
	beta := openIn(t, folder, "beta")
	if _, err := beta.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if bad := failures(t, alpha, "beta"); len(bad) != 1 || !strings.Contains(bad[0], "published its key") {
		t.Errorf("Check with a peer that never ran finds %q, want that", bad)
	}
	if err := beta.Exchange.Keys.Publish(t.Context(), "k", []byte("statement")); err != nil {
		t.Fatal(err)
	}
	if bad := failures(t, alpha, "beta"); len(bad) > 0 {
		t.Errorf("Check with a peer finds %q, want nothing", bad)
	}
	var left []string
	err = filepath.WalkDir(folder, func(path string, e os.DirEntry, err error) error {
		if err == nil && strings.Contains(path, "mft-check") {
			left = append(left, path)
		}
		return err
	})
	if err != nil || len(left) > 0 {
		t.Errorf("Check leaves %q, %v; want nothing", left, err)
	}
	if err := os.RemoveAll(filepath.Join(folder, "alpha", "queue")); err != nil {
		t.Fatal(err)
	}
	if bad := failures(t, alpha, ""); len(bad) == 0 {
		t.Error("Check finds nothing where the queue is gone")
	}
}

func failures(t *testing.T, d *Depot, peer mft.AgentName) []string {
	t.Helper()
	found, err := d.Check(t.Context(), peer)
	if err != nil {
		t.Fatal(err)
	}
	var bad []string
	for _, f := range found {
		if !f.OK {
			bad = append(bad, f.What+": "+f.Says)
			if f.Remedy == "" {
				t.Errorf("%s: no remedy", f.What)
			}
		}
	}
	return bad
}

func TestAccount(t *testing.T) {
	env := func(name string) string { return "value of " + name }
	c := accountOf(&storage.Azure{
		Account: "exampleaccount",
		Credential: storage.Credential{SAS: &storage.SAS{
			Container: &storage.Secret{Env: "C"}, Peers: map[leaf.AgentName]storage.Secret{"beta": {Env: "B"}, "gamma": {Env: "G"}},
		}},
	}, "alpha", env)
	if c.Agent != "alpha" || c.Account != "exampleaccount" || c.Credential.SAS == nil || c.Credential.SAS.Account != nil || c.Credential.SAS.Queue != nil {
		t.Fatalf("accountOf: %+v", c)
	}
	for name, want := range map[mft.AgentName]string{"beta": "value of B", "gamma": "value of G"} {
		if got, err := c.Credential.SAS.Peers[name](); err != nil || got != want {
			t.Errorf("the SAS for %s: %q, %v; want %q", name, got, err, want)
		}
	}
}
