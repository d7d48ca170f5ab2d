package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mft.dev/mft"
)

func TestDestinations(t *testing.T) {
	two := []Destination{{"ledger", "/srv/in/", ""}, {"erp", "/srv/in/a.csv", mft.OverwriteNever}}
	tests := []struct {
		name, content string
		want          []Destination
	}{
		{"list", "- {agent: ledger, path: /srv/in/}\n- {agent: erp, path: /srv/in/a.csv, overwrite: false}\n", two},
		{"under a key", "destinations:\n- {agent: ledger, path: /srv/in/}\n- {agent: erp, path: /srv/in/a.csv, overwrite: false}\n", two},
		{"with a version", "version: 1\ndestinations:\n- {agent: ledger, path: /srv/in/}\n- {agent: erp, path: /srv/in/a.csv, overwrite: 'false'}\n", two},
		{"as azure-mft nests", "version: 1\nconfig:\n  destinations:\n  - {agent: ledger, path: /srv/in/}\n  - {agent: erp, path: /srv/in/a.csv, overwrite: never}\n", two},
		{"azure-mft's flags", "- {destAgent: ledger, destPath: /srv/in/}\n- {destAgent: erp, destPath: /srv/in/a.csv, overwrite: false}\n", two},
		{"azure-mft's other flags", "- {destinationAgent: ledger, destinationFileName: /srv/in/}\n- {destination_agent: erp, destination_file_name: /srv/in/a.csv, overwrite: false}\n", two},
		{"our flags", "- {dest-agent: ledger, dest-path: /srv/in/}\n- {dest-agent: erp, dest-path: /srv/in/a.csv, overwrite: false}\n", two},
		{"short", "- ledger:/srv/in/\n- 'win:C:\\in\\'\n", []Destination{{"ledger", "/srv/in/", ""}, {"win", `C:\in\`, ""}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "destinations.yaml")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := LoadDestinations(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("LoadDestinations differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDestinationMistakes(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"empty", "", "no destination is named"},
		{"empty list", "[]", "no destination is named"},
		{"empty section", "destinations:", "destinations: has no entry"},
		{"a configuration", "version: 1\nconfig:\n  agent: {name: x}", "line 3: config.agent: unknown key"},
		{"no path", "- {agent: a}", "line 1: [0].path: is missing"},
		{"relative path", "- {agent: a, path: in}", "line 1: [0].path: want an absolute path"},
		{"dots", "- a:/srv/../etc", "want a path without .. components"},
		{"bad name", "- {agent: A, path: /in}", "line 1: [0].agent: A is no agent name"},
		{"bad short", "- a", "line 1: [0]: want AGENT:PATH"},
		{"twice", "- a:/in\n- {agent: a, path: /in}", "line 2: [1]: this destination is on line 1 already"},
		{"two spellings", "- {agent: a, destAgent: b, path: /in}", "says again what another spelling of agent said"},
		{"overwrite", "- {agent: a, path: /in, overwrite: perhaps}", "want true (replace)"},
		{"no YAML", "\t- x", "this is no YAML"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readDestinations([]byte(tt.content))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("readDestinations(%q): error %v, want it to hold %q", tt.content, err, tt.want)
			}
		})
	}
}

func TestDestinationsWithoutFile(t *testing.T) {
	_, err := LoadDestinations(filepath.Join(t.TempDir(), "none.yaml"))
	if mft.CodeOf(err) != mft.CodeConfig {
		t.Errorf("LoadDestinations of nothing: error %v, want code %s", err, mft.CodeConfig)
	}
}
