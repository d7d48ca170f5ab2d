package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/exit"
)

const anID = "0192f0c1-2d5b-7c3a-8e4f-0123456789ab"

func idOf(t *testing.T, text string) mft.TransferID {
	t.Helper()
	id, err := mft.ParseTransferID(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestCopyOrder parses command lines as people type them, azure-mft's spellings
// among them.
func TestCopyOrder(t *testing.T) {
	to := func(o mft.Overwrite) []localapi.Destination {
		return []localapi.Destination{{Agent: "ledger", Path: "/srv/in/", Overwrite: o, Compare: mft.CompareQuick, Compress: mft.CompressAuto}}
	}
	tests := []struct {
		name string
		args []string
		want localapi.CopyOrder
		code mft.Code
	}{
		{"ours", []string{"a.csv", "--dest-agent", "ledger", "--dest-path", "/srv/in/"}, localapi.CopyOrder{Sources: []string{"/home/u/a.csv"}, Destinations: to(mft.OverwriteReplace)}, ""},
		{"azure-mft's README", []string{"a.csv", "--destAgent=ledger", "--destPath=/srv/in/", "--overwrite=false"}, localapi.CopyOrder{Sources: []string{"/home/u/a.csv"}, Destinations: to(mft.OverwriteNever)}, ""},
		{"azure-mft's code", []string{"--fileName", "/a.csv", "--destinationAgent", "ledger", "--destinationFileName", "/srv/in/"}, localapi.CopyOrder{Sources: []string{"/a.csv"}, Destinations: to(mft.OverwriteReplace)}, ""},
		{"overwrite after a space", []string{"a", "--overwrite", "version", "--dest-agent", "ledger", "--dest-path", "/srv/in/"}, localapi.CopyOrder{Sources: []string{"/home/u/a"}, Destinations: to(mft.OverwriteVersion)}, ""},
		{"several, a name that looks like a flag", []string{"--dest-agent", "ledger", "--dest-path", "/srv/in/", "--", "b", "-rf"}, localapi.CopyOrder{Sources: []string{"/home/u/b", "/home/u/-rf"}, Destinations: to(mft.OverwriteReplace)}, ""},
		{"destination is not touched", []string{"a", "--dest-agent", "ledger", "--dest-path", "/srv/./in/../x"}, localapi.CopyOrder{Sources: []string{"/home/u/a"}, Destinations: []localapi.Destination{{Agent: "ledger", Path: "/srv/./in/../x", Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick, Compress: mft.CompressAuto}}}, ""},
		{"destination on Windows", []string{"a", "--dest-agent", "ledger", "--dest-path", `C:\in`}, localapi.CopyOrder{Sources: []string{"/home/u/a"}, Destinations: []localapi.Destination{{Agent: "ledger", Path: `C:\in`, Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick, Compress: mft.CompressAuto}}}, ""},
		{"destinations file", []string{"a", "--config", "testdata/destinations.yaml"}, localapi.CopyOrder{Sources: []string{"/home/u/a"}, Destinations: []localapi.Destination{
			{Agent: "ledger", Path: "/srv/in/", Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick, Compress: mft.CompressAuto}, {Agent: "branch", Path: "/srv/in/report.csv", Overwrite: mft.OverwriteNever, Compare: mft.CompareQuick, Compress: mft.CompressAuto},
		}}, ""},
		{"destinations file, overwrite where it does not say", []string{"a", "--config=testdata/destinations.yaml", "--overwrite=version"}, localapi.CopyOrder{Sources: []string{"/home/u/a"}, Destinations: []localapi.Destination{
			{Agent: "ledger", Path: "/srv/in/", Overwrite: mft.OverwriteVersion, Compare: mft.CompareQuick, Compress: mft.CompressAuto}, {Agent: "branch", Path: "/srv/in/report.csv", Overwrite: mft.OverwriteNever, Compare: mft.CompareQuick, Compress: mft.CompressAuto},
		}}, ""},
		{"compress", []string{"a", "--dest-agent", "ledger", "--dest-path", "/in", "--compress", "never"}, localapi.CopyOrder{Sources: []string{"/home/u/a"}, Destinations: []localapi.Destination{
			{Agent: "ledger", Path: "/in", Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick, Compress: mft.CompressNever},
		}}, ""},
		{"compress otherwise", []string{"a", "--dest-agent", "ledger", "--dest-path", "/in", "--compress=gzip"}, localapi.CopyOrder{}, mft.CodeUsage},
		{"an id", []string{"a", "--id", anID, "--dest-agent", "ledger", "--dest-path", "/in"}, localapi.CopyOrder{Sources: []string{"/home/u/a"}, Destinations: []localapi.Destination{
			{Agent: "ledger", Path: "/in", Overwrite: mft.OverwriteReplace, Transfer: idOf(t, anID), Compare: mft.CompareQuick, Compress: mft.CompressAuto},
		}}, ""},
		{"an id for several", []string{"a", "--id", anID, "--config", "testdata/destinations.yaml"}, localapi.CopyOrder{}, mft.CodeUsage},
		{"an id that is none", []string{"a", "--id", "1", "--dest-agent", "ledger", "--dest-path", "/in"}, localapi.CopyOrder{}, mft.CodeUsage},
		{"destinations file and a destination", []string{"a", "--config", "testdata/destinations.yaml", "--dest-agent", "ledger", "--dest-path", "/in"}, localapi.CopyOrder{}, mft.CodeUsage},
		{"no destinations file", []string{"a", "--config", "testdata/none.yaml"}, localapi.CopyOrder{}, mft.CodeConfig},
		{"nothing", nil, localapi.CopyOrder{}, mft.CodeUsage},
		{"no destination", []string{"a"}, localapi.CopyOrder{}, mft.CodeUsage},
		{"no path", []string{"a", "--dest-agent", "ledger"}, localapi.CopyOrder{}, mft.CodeUsage},
		{"no agent", []string{"a", "--dest-path", "/srv"}, localapi.CopyOrder{}, mft.CodeUsage},
		{"relative path there", []string{"a", "--dest-agent", "ledger", "--dest-path", "in"}, localapi.CopyOrder{}, mft.CodeUsage},
		{"bad name", []string{"a", "--dest-agent", "Ledger", "--dest-path", "/in"}, localapi.CopyOrder{}, mft.CodeBadName},
		{"bad policy", []string{"a", "--dest-agent", "ledger", "--dest-path", "/in", "--overwrite=maybe"}, localapi.CopyOrder{}, mft.CodeUsage},
		{"unknown flag", []string{"a", "--dest", "ledger"}, localapi.CopyOrder{}, mft.CodeUsage},
		{"empty source", []string{"", "--dest-agent", "ledger", "--dest-path", "/in"}, localapi.CopyOrder{}, mft.CodeUsage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseCopy(t, tt.args)
			if tt.code != "" {
				if mft.CodeOf(err) != tt.code {
					t.Fatalf("mft copy %q: error %v, want code %s", tt.args, err, tt.code)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("mft copy %q differs (-want +got):\n%s", tt.args, diff)
			}
		})
	}
}

// parseCopy reads a command line up to the order that it makes.
func parseCopy(t *testing.T, args []string) (localapi.CopyOrder, error) {
	t.Helper()
	var o copyOrder
	c := copyCommand(&o)
	if err := c.ParseFlags(args); err != nil {
		return localapi.CopyOrder{}, exit.Misused("%w", err)
	}
	return testShell(t).copyOrder(c.Flags().Args(), o)
}

// TestConfigOfCopy: --config names destinations, except beside --dest-agent,
// where it names the configuration as everywhere else.
func TestConfigOfCopy(t *testing.T) {
	var way argument.WayFlags
	way.Add(pflag.NewFlagSet("copy", pflag.ContinueOnError)) // the defaults
	tests := []struct {
		name string
		o    copyOrder
		want string
	}{
		{"destinations", copyOrder{overwrite: "true", way: way, list: "testdata/destinations.yaml"}, ""},
		{"destinations and configuration", copyOrder{overwrite: "true", way: way, list: "testdata/destinations.yaml", agentConfig: "mft.yaml"}, "mft.yaml"},
		{"configuration", copyOrder{overwrite: "true", way: way, list: "mft.yaml", agent: "a", path: "/in"}, "mft.yaml"},
		{"configuration by its own flag", copyOrder{overwrite: "true", way: way, agentConfig: "mft.yaml", agent: "a", path: "/in"}, "mft.yaml"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := testShell(t)
			if _, err := s.copyOrder([]string{"x"}, tt.o); err != nil {
				t.Fatal(err)
			}
			if s.configFile != tt.want {
				t.Errorf("the configuration is %q, want %q", s.configFile, tt.want)
			}
		})
	}
}

func TestExecuteStatus(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want exit.Status
	}{
		{"help", []string{}, exit.OK},
		{"help of a command", []string{"help", "copy"}, exit.OK},
		{"version", []string{"version"}, exit.OK},
		{"unknown command", []string{"cpy"}, exit.Usage},
		{"unknown command below", []string{"transfer", "kill"}, exit.Usage},
		{"command without one below", []string{"peer"}, exit.Usage},
		{"unknown flag", []string{"status", "--loud"}, exit.Usage},
		{"too many arguments", []string{"status", "now"}, exit.Usage},
		{"bad id", []string{"transfer", "show", "1"}, exit.Usage},
		{"bad name", []string{"peer", "show", "A"}, exit.Usage},
		{"bad limit", []string{"transfer", "list", "--limit", "0"}, exit.Usage},
		{"bad state", []string{"transfer", "list", "--state", "sleeping"}, exit.Usage},
		{"no agent", []string{"status", "--socket", "/nonexistent/agent.sock"}, exit.NotRunning},
		{"no configuration", []string{"status", "--config", "/nonexistent/mft.yaml"}, exit.Config},
		{"allow what", []string{"peer", "allow", "ledger"}, exit.Usage},
		{"allow nothing and something", []string{"peer", "allow", "ledger", "--nothing", "--files-into", "/in"}, exit.Usage},
		{"bad address", []string{"invite", "--address", "ledger"}, exit.Usage},
		{"bad overlap", []string{"key", "rotate", "--overlap", "0s"}, exit.Usage},
		{"req of nobody", []string{"req", "x"}, exit.Usage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := testShell(t)
			if got := execute(t.Context(), s, tt.args); got != tt.want {
				t.Errorf("mft %q ends with %d, want %d; it said %s", tt.args, got, tt.want, s.errs)
			}
		})
	}
}

func TestSocketPath(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mft.yaml")
	if err := os.WriteFile(file, []byte("agent: {data: /srv/mft}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name           string
		socket, config string
		env            string // MFT_CONFIG
		want           string
		code           mft.Code
	}{
		{name: "flag", socket: "/run/mft.sock", config: file, want: "/run/mft.sock"},
		{name: "flag, relative", socket: "mft.sock", want: "/home/u/mft.sock"},
		{name: "configuration", config: file, want: "/srv/mft/agent.sock"},
		{name: "environment", env: file, want: "/srv/mft/agent.sock"},
		{name: "no such configuration", config: filepath.Join(dir, "none.yaml"), code: mft.CodeConfig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := testShell(t)
			s.socket, s.configFile = tt.socket, tt.config
			s.env = func(name string) string {
				if name == "MFT_CONFIG" {
					return tt.env
				}
				return ""
			}
			got, err := s.socketPath()
			if got != tt.want || mft.CodeOf(err) != wanted(tt.code) {
				t.Errorf("socketPath() = %q, %v; want %q, code %s", got, err, tt.want, tt.code)
			}
		})
	}
}

// wanted is the code that a case means: none stands for no error.
func wanted(code mft.Code) mft.Code {
	if code == "" {
		return mft.CodeOK
	}
	return code
}
