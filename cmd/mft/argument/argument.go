// Package argument reads what people type: commands and how many words they
// take, paths of this host and of others, transfer ids, and the flags that
// several commands of mft have.
//
// The package refuses what cannot be meant, with an exit status of a wrong
// command line; it looks at no file.
package argument

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/cmd/mft/exit"
)

// Path returns path, typed in a directory, as the agent, which runs elsewhere,
// needs it. A trailing slash means the contents of a directory and is kept; "."
// at the end means the same.
func Path(directory func() (string, error), path string) (string, error) {
	if path == "" {
		return "", exit.Misused("an empty path names no file")
	}
	dir, err := directory()
	if err != nil {
		return "", mft.Fail(mft.CodeIO, "find the working directory", "", err)
	}
	contents := endsInSlash(path) || path == "." || strings.HasSuffix(path, "/.") || strings.HasSuffix(path, string(filepath.Separator)+".")
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	path = filepath.Clean(path)
	if contents && !endsInSlash(path) {
		path += string(filepath.Separator)
	}
	return path, nil
}

func endsInSlash(path string) bool { return path != "" && os.IsPathSeparator(path[len(path)-1]) }

// There refuses a path of another host that depends on a working directory,
// which the agent there does not have.
func There(flag, path string) error {
	if leaf.AbsoluteSomewhere(path) {
		return nil
	}
	return exit.Misused("%s %q is not absolute; the agent there has no working directory to start from", flag, path)
}

// OverwriteFlag adds --overwrite, which takes its value also after a space.
func OverwriteFlag(f *pflag.FlagSet, value *string) {
	f.StringVar(value, "overwrite", "true", "replace files that are there: `true|false|version`; version keeps the old one as NAME.~N~")
}

// WayFlags are what a command line says about how files travel.
type WayFlags struct {
	compare, compress string
	preserve          []string
}

// A Way is how files travel.
type Way struct {
	Compare  mft.Compare
	Compress mft.Compress
	Preserve mft.Preserve
}

// Add adds --compare, --compress and --preserve.
func (w *WayFlags) Add(f *pflag.FlagSet) {
	f.StringVar(&w.compare, "compare", "quick", "recognise files that are there already by `quick|content|none`: size and time, reading both, or not at all")
	f.StringVar(&w.compress, "compress", "auto", "compress what travels: `auto|always|never`; auto when that is faster")
	f.StringSliceVar(&w.preserve, "preserve", nil, "keep of files also `xattrs,acls,links`: extended attributes of users, access lists, hard links; on Linux")
}

// Way returns what was said. Errors: mft.CodeUsage.
func (w *WayFlags) Way() (way Way, err error) {
	if way.Compare, err = config.ParseCompare(w.compare); err != nil {
		return Way{}, err
	}
	if way.Compress, err = config.ParseCompress(w.compress); err != nil {
		return Way{}, err
	}
	way.Preserve, err = mft.ParsePreserve(w.preserve)
	return way, err
}

// MirrorFlags are what a command line says about removing.
type MirrorFlags struct {
	on   bool
	most string
}

// Add adds --mirror and --max-delete.
func (m *MirrorFlags) Add(f *pflag.FlagSet) {
	f.BoolVar(&m.on, "mirror", false, "remove from the destination what is not in DIR")
	f.StringVar(&m.most, "max-delete", "", "with --mirror remove at most `N|P%` files or entries, or nothing at all (default: 1000 files and 50%)")
}

// Mirror returns the order. One limit that is given takes the place of both
// defaults.
func (m *MirrorFlags) Mirror() (mft.Mirror, error) {
	switch {
	case !m.on && m.most != "":
		return mft.Mirror{}, exit.Misused("--max-delete is about --mirror, which is not given")
	case !m.on:
		return mft.Mirror{}, nil
	case m.most == "":
		return mft.DefaultMirror(), nil
	}
	return leaf.ParseMaxDelete(m.most)
}

// GrantFlags are those by which a peer is allowed things.
type GrantFlags struct {
	Into, Root string
	Remove     bool
}

// Add adds --files-into, --requests-root and --allow-delete.
func (g *GrantFlags) Add(f *pflag.FlagSet) {
	f.StringVar(&g.Into, "files-into", "", "`DIR` of this host that the peer may send files into")
	f.StringVar(&g.Root, "requests-root", "", "`DIR` of this host that the peer may ask for files from")
	f.BoolVar(&g.Remove, "allow-delete", false, "let mirrors of the peer remove files from the DIR of --files-into")
}

// Absolute makes the directories, typed in a directory, what the agent needs
// them to be.
func (g *GrantFlags) Absolute(directory func() (string, error)) error {
	if g.Remove && g.Into == "" {
		return exit.Misused("--allow-delete is about the directory of --files-into, which is not given")
	}
	for _, dir := range []*string{&g.Into, &g.Root} {
		if *dir == "" {
			continue
		}
		path, err := Path(directory, *dir)
		if err != nil {
			return err
		}
		*dir = path
	}
	return nil
}

// IDFlag adds --id. Given, it is never zero: a script whose variable is empty
// does not get another id each time.
func IDFlag(f *pflag.FlagSet, id *mft.TransferID) {
	const usage = "`ID` of the transfer, from mft transfer id; the same order with the same ID is placed once"
	f.Func("id", usage, func(value string) error {
		typed, err := mft.ParseTransferID(value)
		if err != nil || typed.IsZero() {
			return errors.New("it is not an id such as `mft transfer id` makes")
		}
		*id = typed
		return nil
	})
}

// Spellings accepts other names for flags.
func Spellings(f *pflag.FlagSet, names map[string]string) {
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if proper, ok := names[name]; ok {
			name = proper
		}
		return pflag.NormalizedName(name)
	})
}
