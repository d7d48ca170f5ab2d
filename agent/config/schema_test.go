package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"mft.dev/mft/agent/config/leaf"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"mft.dev/mft/agent/exits/rule"
)

var update = flag.Bool("update", false, "write docs/mft.schema.json")

const published = "../../docs/mft.schema.json"

func TestSchemaIsPublished(t *testing.T) {
	if *update {
		if err := os.WriteFile(published, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(published)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, Schema()) {
		t.Errorf("docs/mft.schema.json is not what Schema returns; run go test ./agent/config -update")
	}
}

// conforms says whether the schema lets content through.
func conforms(t *testing.T, content string) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatalf("Schema is no JSON: %v", err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mft.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("mft.schema.json")
	if err != nil {
		t.Fatalf("Schema is no JSON Schema: %v", err)
	}
	var value any
	if err := yaml.Unmarshal([]byte(content), &value); err != nil {
		t.Fatalf("%s: %v", content, err)
	}
	return schema.Validate(value)
}

func TestSamplesConform(t *testing.T) {
	samples, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(samples) < 4 {
		t.Fatalf("samples %q, %v; want at least 4", samples, err)
	}
	for _, path := range samples {
		t.Run(filepath.Base(path), func(t *testing.T) {
			content := sample(t, filepath.Base(path))
			if err := conforms(t, string(content)); err != nil {
				t.Errorf("the schema refuses %s: %v", path, err)
			}
			if _, err := read(content, defaults()); err != nil {
				t.Errorf("read refuses %s: %v", path, err)
			}
		})
	}
}

// TestSchemaRefusesToo holds the schema to the reader where both can tell.
func TestSchemaRefusesToo(t *testing.T) {
	tests := []struct{ name, content string }{
		{"unknown section", "agnet: {}"},
		{"unknown key", "agent: {nmae: x}"},
		{"key of later", "channels: [{" + goodChannel + ", expect: {count: 1}}]"},
		{"no user to run as", "channels: [{" + goodChannel + ", run_as: {}}]"},
		{"name", "agent: {name: ERP}"},
		{"long name", "agent: {name: a123456789a123456789a123456789a123456789a123456789a123456789abcd}"},
		{"name of a peer", "peers: {B: {pin: mft1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}}"},
		{"pin", "peers: {b: {pin: x}}"},
		{"no pin", "peers: {b: {}}"},
		{"level", "agent: {log_level: loud}"},
		{"transfers", "agent: {max_transfers: 257}"},
		{"listen", "agent: {listen: x}"},
		{"endpoint", "channels: [{name: c, from: {agent: b, path: a}, to: [{agent: x, path: /b}], when: arrival}]"},
		{"when", "channels: [{name: c, from: {agent: b, path: /a}, to: [{agent: x, path: /b}], when: often}]"},
		{"stable", "channels: [{name: c, from: {agent: b, path: /a}, to: [{agent: x, path: /b}], when: {arrival: {stable: soon}}}]"},
		{"overwrite", "channels: [{" + goodChannel + ", overwrite: maybe}]"},
		{"azure version", "version: 2\nconfig: {agent: {name: a}}"},
		{"azure key", "config: {agent: {name: a}, allow_file_from: []}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if conforms(t, tt.content) == nil {
				t.Errorf("the schema lets %q through", tt.content)
			}
			if _, err := read([]byte(tt.content), defaults()); err == nil {
				t.Errorf("read lets %q through", tt.content)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	samples, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range samples {
		content, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("agent: {name: !!binary eA==}\n<<: x"))
	f.Fuzz(func(t *testing.T, content []byte) {
		cfg, err := read(content, defaults())
		if (cfg == nil) == (err == nil) {
			t.Fatalf("read = %v, %v; want one of them", cfg, err)
		}
		if err != nil {
			return
		}
		a := cfg.Agent
		if a.Name == "" || a.Listen == "" || !filepath.IsAbs(a.DataDir) || !filepath.IsAbs(a.Socket) || !filepath.IsAbs(a.KeysDir) || a.MaxTransfers < 1 {
			t.Errorf("read let an agent through that cannot run: %+v", a)
		}
		for _, g := range append(cfg.Allow.FilesFrom, cfg.Allow.RequestsFrom...) {
			if g.Agent == "" || !filepath.IsAbs(g.Root) {
				t.Errorf("read let a grant through that means nothing: %+v", g)
			}
		}
		for _, e := range cfg.Exits {
			if _, _, err := rule.Compile(e); err != nil {
				t.Errorf("read let an exit through that cannot run: %+v: %v", e, err)
			}
		}
		for _, c := range cfg.Channels {
			if c.Name == "" || len(c.To) == 0 || len(c.When) == 0 || c.From.Agent == "" || c.From.Path == "" {
				t.Errorf("read let a channel through that means nothing: %+v", c)
			}
		}
	})
}

func FuzzDestinations(f *testing.F) {
	f.Add([]byte("- {agent: ledger, path: /srv/in/, overwrite: true}\n- erp:/srv\n"))
	f.Add([]byte("version: 1\nconfig: {destinations: [{destAgent: a, destPath: /b}]}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		list, err := readDestinations(content)
		if (len(list) == 0) == (err == nil) {
			t.Fatalf("readDestinations = %v, %v; want one of them", list, err)
		}
		for _, d := range list {
			if d.Agent == "" || !leaf.AbsoluteSomewhere(d.Path) {
				t.Errorf("readDestinations let %+v through", d)
			}
		}
	})
}
