package argument

import (
	"errors"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mft.dev/mft"
)

func TestPath(t *testing.T) {
	tests := []struct{ path, want string }{
		{"a.csv", "/home/u/a.csv"},
		{"./a.csv", "/home/u/a.csv"},
		{"../a.csv", "/home/a.csv"},
		{"/srv/a.csv", "/srv/a.csv"},
		{"/srv//a", "/srv/a"},
		{"dir/", "/home/u/dir/"},
		{"dir/.", "/home/u/dir/"},
		{".", "/home/u/"},
		{"..", "/home"},
		{"/", "/"},
		{"a*.csv", "/home/u/a*.csv"},
		{"-rf", "/home/u/-rf"},
		{"a\nb\xff", "/home/u/a\nb\xff"},
	}
	home := func() (string, error) { return "/home/u", nil }
	for _, tt := range tests {
		got, err := Path(home, tt.path)
		if err != nil || got != tt.want {
			t.Errorf("Path(%q) = %q, %v; want %q", tt.path, got, err, tt.want)
		}
	}
	if _, err := Path(home, ""); mft.CodeOf(err) != mft.CodeUsage {
		t.Errorf("Path of nothing: error %v, want code %s", err, mft.CodeUsage)
	}
	nowhere := errors.New("nowhere")
	if _, err := Path(func() (string, error) { return "", nowhere }, "a"); !errors.Is(err, nowhere) {
		t.Errorf("Path without a directory: error %v, want that of the directory", err)
	}
}

func TestThere(t *testing.T) {
	for path, want := range map[string]mft.Code{"/in/": mft.CodeOK, `C:\in`: mft.CodeOK, "in": mft.CodeUsage, "": mft.CodeUsage} {
		if err := There("--dest-path", path); mft.CodeOf(err) != want {
			t.Errorf("There(%q) = %v, want code %s", path, err, want)
		}
	}
}

func TestIDFlag(t *testing.T) {
	const text = "0192f0c1-2d5b-7c3a-8e4f-0123456789ab"
	for _, tt := range []struct {
		name string
		args []string
		want string
		ok   bool
	}{
		{"none", nil, mft.TransferID{}.String(), true},
		{"one", []string{"--id", text}, text, true},
		{"another form", []string{"--id=1"}, "", false},
		{"an empty variable", []string{"--id", ""}, "", false},
		{"zero", []string{"--id", mft.TransferID{}.String()}, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var id mft.TransferID
			f := pflag.NewFlagSet("", pflag.ContinueOnError)
			IDFlag(f, &id)
			if err := f.Parse(tt.args); (err == nil) != tt.ok || tt.ok && id.String() != tt.want {
				t.Errorf("%q is %s, %v, want %q", tt.args, id, err, tt.want)
			}
		})
	}
}

func TestSpellings(t *testing.T) {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	var overwrite string
	OverwriteFlag(f, &overwrite)
	Spellings(f, map[string]string{"replace": "overwrite"})
	if err := f.Parse([]string{"--replace", "version"}); err != nil || overwrite != "version" {
		t.Errorf("the flag is %q (%v), want what was typed", overwrite, err)
	}
}

// TestExecute: only what is wrong with the command line is called misuse.
func TestExecute(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want mft.Code
	}{
		{"an error without a code", []string{"work"}, mft.CodeOther},
		{"an error with one", []string{"work", "--code"}, mft.CodeTimeout},
		{"an unknown flag", []string{"work", "--loud"}, mft.CodeUsage},
		{"too many arguments", []string{"work", "hard"}, mft.CodeUsage},
		{"a flag is missing", []string{"rest"}, mft.CodeUsage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var coded bool
			root := &cobra.Command{Use: "mft", SilenceErrors: true, SilenceUsage: true}
			work := &cobra.Command{Use: "work", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
				if coded {
					return mft.Fail(mft.CodeTimeout, "work", "", nil)
				}
				return errors.New("it is broken")
			}}
			work.Flags().BoolVar(&coded, "code", false, "")
			rest := &cobra.Command{Use: "rest", RunE: func(*cobra.Command, []string) error { return errors.New("it is broken") }}
			rest.Flags().String("long", "", "")
			if err := rest.MarkFlagRequired("long"); err != nil {
				t.Fatal(err)
			}
			root.AddCommand(work, rest)
			root.SetArgs(tt.args)
			if err := Execute(t.Context(), root); mft.CodeOf(err) != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}
