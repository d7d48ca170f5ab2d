package config

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"mft.dev/mft"
)

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestPlaces(t *testing.T) {
	tests := []struct {
		name string
		host host
		want []string
	}{
		{
			"root",
			host{os: "linux", root: true, home: "/root", env: environment()},
			[]string{"/etc/mft/mft.yaml", "/var/mft2/config.yaml", "/var/azmft/azmft.config.yaml", "/root/.config/azmft.config.yaml"},
		},
		{
			"user",
			host{os: "linux", home: "/home/u", env: environment()},
			[]string{"/home/u/.config/mft/mft.yaml", "/etc/mft/mft.yaml", "/var/mft2/config.yaml", "/var/azmft/azmft.config.yaml", "/home/u/.config/azmft.config.yaml"},
		},
		{
			"user with XDG",
			host{os: "linux", home: "/home/u", env: environment("XDG_CONFIG_HOME", "/x")},
			[]string{"/x/mft/mft.yaml", "/etc/mft/mft.yaml", "/var/mft2/config.yaml", "/var/azmft/azmft.config.yaml", "/x/azmft.config.yaml"},
		},
		{
			"relative XDG does not count",
			host{os: "linux", home: "/home/u", env: environment("XDG_CONFIG_HOME", "x")},
			[]string{"/home/u/.config/mft/mft.yaml", "/etc/mft/mft.yaml", "/var/mft2/config.yaml", "/var/azmft/azmft.config.yaml", "/home/u/.config/azmft.config.yaml"},
		},
		{
			"no home",
			host{os: "linux", env: environment()},
			[]string{"/etc/mft/mft.yaml", "/var/mft2/config.yaml", "/var/azmft/azmft.config.yaml"},
		},
		{
			"mac",
			host{os: "darwin", home: "/Users/u", env: environment()},
			[]string{"/Users/u/.config/mft/mft.yaml", "/etc/mft/mft.yaml", "/var/mft2/config.yaml", "/var/azmft/azmft.config.yaml", "/Users/u/Library/Application Support/azmft.config.yaml"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := places(tt.host); !slices.Equal(got, tt.want) {
				t.Errorf("places: got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDataDir(t *testing.T) {
	tests := []struct {
		name string
		host host
		want string
	}{
		{"root", host{os: "linux", root: true, home: "/root", env: environment("XDG_DATA_HOME", "/x")}, "/var/lib/mft"},
		{"user", host{os: "linux", home: "/home/u", env: environment()}, "/home/u/.local/share/mft"},
		{"user with XDG", host{os: "linux", home: "/home/u", env: environment("XDG_DATA_HOME", "/x")}, "/x/mft"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := dataDir(tt.host); got != tt.want {
				t.Errorf("dataDir: got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	write := func(path string) string {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one, two := write(filepath.Join(dir, "one.yaml")), write(filepath.Join(dir, "two.yaml"))
	gone := filepath.Join(dir, "gone.yaml")
	tests := []struct {
		name, explicit string
		env            func(string) string
		want           string
		code           mft.Code
	}{
		{"explicit wins", one, environment("MFT_CONFIG", two), one, mft.CodeOK},
		{"then the environment", "", environment("MFT_CONFIG", two), two, mft.CodeOK},
		{"explicit and gone", gone, environment("MFT_CONFIG", two), "", mft.CodeConfig},
		{"environment and gone", "", environment("MFT_CONFIG", gone), "", mft.CodeConfig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Find(tt.explicit, tt.env)
			if got != tt.want || mft.CodeOf(err) != tt.code {
				t.Errorf("Find(%q) = %q, %v; want %q, code %s", tt.explicit, got, err, tt.want, tt.code)
			}
		})
	}
}

func TestFindMakesPathsAbsolute(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("here.yaml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Find("here.yaml", environment())
	if err != nil || !filepath.IsAbs(got) {
		t.Errorf("Find(here.yaml) = %q, %v; want an absolute path", got, err)
	}
}

func TestLegalName(t *testing.T) {
	tests := []struct{ host, want string }{
		{"erp", "erp"},
		{"ERP.example.com", "erp"},
		{"web_01--x", "web-01-x"},
		{"-a-", "a"},
		{"", "agent"},
		{"...", "agent"},
		{"日本", "agent"},
		{"publickeys", "agent"},
		{"a1234567890123456789012345678901234567890123456789012345678901-2345", "a1234567890123456789012345678901234567890123456789012345678901"},
	}
	for _, tt := range tests {
		if got := legalName(tt.host); string(got) != tt.want {
			t.Errorf("legalName(%q) = %q, want %q", tt.host, got, tt.want)
		}
	}
}
