package depot

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/config/storage"
)

// TestNATS: what the configuration names is opened, set up, ready and checked.
func TestNATS(t *testing.T) {
	at, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
		Authorization: "token of all",
	})
	if err != nil {
		t.Fatal(err)
	}
	at.Start()
	t.Cleanup(func() {
		at.Shutdown()
		at.WaitForShutdown()
	})
	if !at.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server did not come up")
	}
	section := storage.Exchange{NATS: &storage.NATS{
		Servers: []storage.Server{storage.Server(at.ClientURL())}, Credential: &storage.User{Token: &storage.Secret{Env: "TOKEN"}},
	}}
	d, err := Open(&config.Config{Agent: config.Agent{Name: "alpha"}, Exchange: &section}, func(string) string { return "token of all" })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	if err := d.Ready(t.Context()); mft.CodeOf(err) != mft.CodeNotFound || !strings.Contains(err.Error(), "mft exchange setup") {
		t.Errorf("Ready before Setup: %v, want code %s and what to do", err, mft.CodeNotFound)
	}
	steps, err := d.Setup(t.Context())
	if err != nil || len(steps) != 4 {
		t.Fatalf("Setup: %+v, %v; want four steps", steps, err)
	}
	if err := d.Ready(t.Context()); err != nil {
		t.Errorf("Ready after Setup: %v", err)
	}
	if bad := failures(t, d, ""); len(bad) > 0 {
		t.Errorf("Check finds %q, want nothing", bad)
	}
}

// TestElsewhere: queues are those of NATS and containers those of the other
// storage, and what cannot be opened leaves nothing behind.
func TestElsewhere(t *testing.T) {
	env := func(name string) string { return map[string]string{"SET": "secret"}[name] }
	for _, tt := range []struct {
		name string
		in   storage.Containers
		want string // part of the name, or of the error
		ok   bool
	}{
		{"S3", storage.Containers{S3: &storage.S3{Bucket: "b", Credential: &storage.Access{AccessKey: "k", Secret: storage.Secret{Env: "SET"}}}}, "NATS at tls://h, bucket b", true},
		{"S3 without its secret", storage.Containers{S3: &storage.S3{Bucket: "b", Credential: &storage.Access{AccessKey: "k", Secret: storage.Secret{Env: "NONE"}}}}, "variable NONE is empty", false},
		{"Azure", storage.Containers{Azure: &storage.Azure{Account: "abc", Credential: storage.Credential{ManagedIdentity: &storage.ManagedIdentity{}}}}, "storage account abc", true},
		{"NATS", storage.Containers{NATS: &storage.Here{}}, "NATS at tls://h", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			section := storage.NATS{Servers: []storage.Server{"tls://h"}, Containers: &tt.in}
			d, err := Open(&config.Config{Agent: config.Agent{Name: "alpha"}, Exchange: &storage.Exchange{NATS: &section}}, env)
			if !tt.ok {
				if mft.CodeOf(err) != mft.CodeConfig || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Open: %v, want code %s and %q", err, mft.CodeConfig, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			x := d.Exchange
			if !strings.Contains(d.Name, tt.want) || x.Queue == nil || x.Keys == nil || x.Container == nil || x.Reader == nil || x.Sizes.MaxBlocks == 0 {
				t.Errorf("Open: %q, %+v", d.Name, x)
			}
			rights, err := Rights(&section, "alpha", []mft.AgentName{"beta"})
			if err != nil || !strings.Contains(rights, `"mft.queue.beta"`) || strings.Contains(rights, "mft-box") == (tt.name != "NATS") || strings.Contains(rights, "s3:PutObject") != (tt.name == "S3") {
				t.Errorf("Rights: %v\n%s", err, rights)
			}
		})
	}
}

// TestSecretFiles: what holds a secret is known, wherever the section has it.
func TestSecretFiles(t *testing.T) {
	x := storage.Exchange{NATS: &storage.NATS{
		Credential: &storage.User{Creds: &storage.Secret{File: "/creds"}}, TLS: &storage.TLS{Cert: "/cert", Key: "/key"},
		Containers: &storage.Containers{S3: &storage.S3{Credential: &storage.Access{Secret: storage.Secret{File: "/s3"}}}},
	}}
	if got, want := x.Files(), []storage.Path{"/creds", "/key", "/s3"}; !slices.Equal(got, want) {
		t.Errorf("Files: %q, want %q", got, want)
	}
}
