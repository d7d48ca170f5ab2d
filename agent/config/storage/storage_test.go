package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mft.dev/mft/agent/config/leaf"
)

func TestSecretRead(t *testing.T) {
	dir := t.TempDir()
	put := func(name, content string) Path {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return Path(path)
	}
	env := func(name string) string { return map[string]string{"FULL": "s3cret"}[name] }
	for _, tt := range []struct {
		name   string
		secret Secret
		want   string
		fails  string // part of the error
	}{
		{name: "of a file", secret: Secret{File: put("full", "s3cret\n")}, want: "s3cret\n"},
		{name: "of the environment", secret: Secret{Env: "FULL"}, want: "s3cret"},
		{name: "of azure-mft's file", secret: Inline("s3cret", "NONE"), want: "s3cret"},
		{name: "no file", secret: Secret{File: Path(filepath.Join(dir, "none"))}, fails: "none: "},
		{name: "empty file", secret: Secret{File: put("empty", " \n")}, fails: "empty is empty"},
		{name: "file that is too large", secret: Secret{File: put("large", strings.Repeat("x", maxSecret+1))}, fails: "no secret"},
		{name: "no such variable", secret: Secret{Env: "NONE"}, fails: "variable NONE is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.secret.Read(env)
			if got != tt.want || (err == nil) != (tt.fails == "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("Read: %q, %v; want %q, an error with %q", got, err, tt.want, tt.fails)
			}
			for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
				if said := fmt.Sprintf(form, tt.secret); strings.Contains(said, "s3cret") {
					t.Errorf("%s of the secret shows it: %s", form, said)
				}
			}
		})
	}
	if _, err := (Secret{File: Path(filepath.Join(dir, "none"))}).Read(env); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Read of a file that is not there: %v, want os.ErrNotExist", err)
	}
}

func TestFiles(t *testing.T) {
	for _, tt := range []struct {
		name string
		by   Credential
		want []Path
	}{
		{"no secret", Credential{ManagedIdentity: &ManagedIdentity{}}, nil},
		{"variable", Credential{AccountKey: &Secret{Env: "K"}}, nil},
		{"account key", Credential{AccountKey: &Secret{File: "/k"}}, []Path{"/k"}},
		{"certificate", Credential{Certificate: &Certificate{File: "/c", Password: &Secret{File: "/p"}}}, []Path{"/c", "/p"}},
		{"client secret", Credential{ClientSecret: &ClientSecret{Secret: Secret{File: "/s"}}}, []Path{"/s"}},
		{"SAS of the account", Credential{SAS: &SAS{File: "/s"}}, []Path{"/s"}},
		{
			"SAS of each",
			Credential{SAS: &SAS{Queue: &Secret{File: "/q"}, Peers: map[leaf.AgentName]Secret{"b": {File: "/b"}, "a": {File: "/a"}}}},
			[]Path{"/q", "/a", "/b"},
		},
	} {
		if got := tt.by.files(); !slices.Equal(got, tt.want) {
			t.Errorf("Files of %s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
