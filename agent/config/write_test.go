package config

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWrittenIsReadAgain(t *testing.T) {
	samples, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range samples {
		t.Run(filepath.Base(path), func(t *testing.T) {
			want, err := read(sample(t, filepath.Base(path)), defaults())
			if err != nil {
				t.Fatal(err)
			}
			content, err := want.YAML()
			if err != nil {
				t.Fatal(err)
			}
			got, err := read(content, defaults())
			if err != nil {
				t.Fatalf("read refuses what YAML wrote: %v\n%s", err, content)
			}
			got.Notes, want.Notes = nil, nil
			if diff := cmp.Diff(want, got, unseen); diff != "" {
				t.Errorf("YAML and read differ (-want +got):\n%s\n%s", diff, content)
			}
			if err := conforms(t, string(content)); err != nil {
				t.Errorf("the schema refuses what YAML wrote: %v", err)
			}
			asJSON, err := json.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			again, err := read(asJSON, defaults())
			if err != nil {
				t.Fatalf("read refuses what MarshalJSON wrote: %v\n%s", err, asJSON)
			}
			again.Notes = nil
			if diff := cmp.Diff(want, again, unseen); diff != "" {
				t.Errorf("MarshalJSON and read differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSecretsAreNotWritten(t *testing.T) {
	cfg, err := read(sample(t, "azure-code.yaml"), defaults())
	if err != nil {
		t.Fatal(err)
	}
	content, err := cfg.YAML()
	if err != nil || strings.Contains(string(content), "bm90IGEga2V5") {
		t.Errorf("YAML: %v, and shows the account key of azure-mft's file:\n%s", err, content)
	}
}
