// Package publish has the commands of `mft release`, for those who make
// releases: keys, manifests, and whether a release is what it should be.
//
// They need neither agent nor configuration. A signing key is read from a file
// and never shown.
package publish

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/exit"
	"mft.dev/mft/cmd/mft/show"
	"mft.dev/mft/internal/durable"
	"mft.dev/mft/release"
	"mft.dev/mft/release/origin"
	"mft.dev/mft/release/place"
)

// A Shell is what the commands need of the place where they are typed.
type Shell struct {
	Out io.Writer
	// Absolute makes a path that was typed absolute.
	Absolute func(string) (string, error)
	// Print writes v as JSON when that was asked for, and calls text else.
	Print func(v any, text func()) error
}

// Command returns `mft release` with the commands below it.
func Command(s Shell) *cobra.Command {
	return argument.Group("release", "Make and check releases of mft for mft update",
		`Make and check releases of mft, for those who hand them out to their hosts. A
release is a folder with the binaries of one version and release.mft, the signed
manifest that names them. docs/update.md has the whole story.`,
		s.key(), s.sign(), s.verify())
}

func (s Shell) key() *cobra.Command {
	return &cobra.Command{
		Use:   "key FILE",
		Short: "Make a key that signs releases, or show the public half of one",
		Long: `Make a key that signs releases in FILE, for its owner only, or read the one that
is there; and print its public half, which goes into the configuration of each
host (update.keys). Whoever has FILE decides what runs on those hosts: keep it
off them, and keep a copy.`,
		Example: "  mft release key release.key",
		Args:    argument.Takes(1, 1, "one FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			key, err := release.ReadKey(args[0])
			if mft.CodeOf(err) == mft.CodeNotFound {
				if key, err = release.NewKey(); err == nil {
					err = key.Write(args[0])
				}
			}
			if err != nil {
				return err
			}
			return s.Print(map[string]string{"key": string(key.Public())}, func() { fmt.Fprintln(s.Out, key.Public()) })
		},
	}
}

// A signing is what `mft release sign` was told.
type signing struct {
	keys             []string
	version, minimum string
	binaries         []string
	days             int
	add              bool
}

func (s Shell) sign() *cobra.Command {
	var o signing
	c := &cobra.Command{
		Use:   "sign --key FILE --version VERSION --binary OS/ARCH=FILE… DIR",
		Short: "Write the signed manifest of the release in DIR",
		Long: `Write release.mft into DIR: the version, and the size and the digest of each
binary that is named, signed by each key. The binaries lie in DIR.

With --add the manifest that is there gets one more signature, by a key that is
to take the place of the one that has signed it. The keys that are trusted to
have done so are all those given, so both are.`,
		Example: `  mft release sign --key release.key --version 1.4.0 --binary linux/amd64=mft-linux-amd64 --binary windows/amd64=mft.exe dist
  mft release sign --add --key release.key --key new.key dist`,
		Args: argument.Takes(1, 1, "the DIR of the release"),
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := o.write(args[0])
			if err != nil {
				return err
			}
			return s.Print(map[string]string{"manifest": path}, func() { fmt.Fprintln(s.Out, path) })
		},
	}
	f := c.Flags()
	f.StringArrayVar(&o.keys, "key", nil, "`FILE` of a key that signs; may be repeated")
	f.StringVar(&o.version, "version", "", "`VERSION` of the binaries, such as 1.4.0")
	f.StringVar(&o.minimum, "minimum", "0.0.0", "the oldest `VERSION` that may be replaced by this one")
	f.StringArrayVar(&o.binaries, "binary", nil, "`OS/ARCH=FILE` of a binary in DIR; may be repeated")
	f.IntVar(&o.days, "days", 365, "the manifest may be used for so many `DAYS`")
	f.BoolVar(&o.add, "add", false, "sign the manifest that is there")
	return c
}

// write signs and returns the path of the manifest.
func (o signing) write(dir string) (string, error) {
	var keys []release.SigningKey
	for _, file := range o.keys {
		k, err := release.ReadKey(file)
		if err != nil {
			return "", err
		}
		keys = append(keys, k)
	}
	path := filepath.Join(dir, release.ManifestFile)
	var sealed []byte
	var err error
	switch {
	case len(keys) == 0:
		return "", exit.Misused("release sign needs a key; make one with `mft release key FILE`")
	case o.add && (o.version != "" || len(o.binaries) > 0):
		return "", exit.Misused("--add signs what is there; --version and --binary are for a new manifest")
	case o.add:
		sealed, err = countersigned(path, keys)
	default:
		sealed, err = o.sealed(dir, keys)
	}
	if err != nil {
		return "", err
	}
	if err := durable.WriteFile(path, sealed, 0o644); err != nil {
		return "", mft.Fail(durable.Code(err), "write release manifest", path, err)
	}
	return path, nil
}

// countersigned signs the manifest at path with the keys that have not.
func countersigned(path string, keys []release.SigningKey) ([]byte, error) {
	sealed, err := readManifest(path)
	if err != nil {
		return nil, err
	}
	var trusted []release.Key
	for _, k := range keys {
		trusted = append(trusted, k.Public())
	}
	for _, k := range keys {
		if sealed, err = release.Countersign(sealed, trusted, k); err != nil {
			return nil, err
		}
	}
	return sealed, nil
}

func (o signing) sealed(dir string, keys []release.SigningKey) ([]byte, error) {
	if o.version == "" || len(o.binaries) == 0 {
		return nil, exit.Misused("release sign needs --version and at least one --binary")
	}
	if o.days < 1 {
		return nil, exit.Misused("--days %d is less than one", o.days)
	}
	now := time.Now().UTC().Truncate(time.Second)
	m := release.Manifest{Version: o.version, Minimum: o.minimum, Issued: now, Expires: now.AddDate(0, 0, o.days)}
	for _, text := range o.binaries {
		b, err := measure(dir, text)
		if err != nil {
			return nil, err
		}
		m.Binaries = append(m.Binaries, b)
	}
	return release.Seal(m, keys...)
}

// measure reads OS/ARCH=FILE and the file.
func measure(dir, text string) (release.Binary, error) {
	system, file, ok := strings.Cut(text, "=")
	goos, arch, ok2 := strings.Cut(system, "/")
	if !ok || !ok2 || !release.FileName(file) {
		return release.Binary{}, exit.Misused("--binary %q is not OS/ARCH=FILE, as in linux/amd64=mft, with a FILE of DIR", text)
	}
	path := filepath.Join(dir, file)
	f, err := os.Open(path)
	if err != nil {
		return release.Binary{}, mft.Fail(durable.Code(err), "read binary", path, err)
	}
	defer f.Close() // only read from
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return release.Binary{}, mft.Fail(durable.Code(err), "read binary", path, err)
	}
	return release.Binary{OS: goos, Arch: arch, File: file, Size: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

func readManifest(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, mft.Fail(durable.Code(err), "read release manifest", path, err)
	}
	defer f.Close() // only read from
	b, err := io.ReadAll(io.LimitReader(f, release.MaxManifest+1))
	if err != nil {
		return nil, mft.Fail(durable.Code(err), "read release manifest", path, err)
	}
	return b, nil
}

func (s Shell) verify() *cobra.Command {
	var pinned []string
	c := &cobra.Command{
		Use:   "verify --key KEY DIR|URL",
		Short: "Check the signature of a release, and its binaries where they can be read",
		Long: `Check the release in a folder or at an https URL as mft update does, for all
systems: that one of the keys has signed its manifest, that it has not expired,
and, in a folder, that the binaries are those that the manifest names.`,
		Example: "  mft release verify --key mftr1:pnUXx4l0o9Y5Ujvwq3oKkNcYkZ2tM0bXcQ1w6vKJt0Q dist",
		Args:    argument.Takes(1, 1, "the DIR or URL of the release"),
		RunE: func(c *cobra.Command, args []string) error {
			var keys []release.Key
			for _, text := range pinned {
				k, err := release.ParseKey(text)
				if err != nil {
					return exit.Misused("--key: %w", err)
				}
				keys = append(keys, k)
			}
			if len(keys) == 0 {
				return exit.Misused("release verify needs the --key that is to have signed it")
			}
			from, local := args[0], !strings.Contains(args[0], "://")
			if local {
				var err error
				if from, err = s.Absolute(from); err != nil {
					return err
				}
			}
			at, err := origin.New(from, nil)
			if err != nil {
				return err
			}
			sealed, _, err := at.Manifest(c.Context(), "")
			if err != nil {
				return err
			}
			m, key, err := release.Open(sealed, keys)
			if err == nil {
				err = good(m, time.Now())
			}
			for i := 0; err == nil && local && i < len(m.Binaries); i++ {
				err = place.Verify(filepath.Join(from, m.Binaries[i].File), m.Binaries[i])
			}
			if err != nil {
				return err
			}
			return s.Print(m, func() { s.tell(m, key, local) })
		},
	}
	c.Flags().StringArrayVar(&pinned, "key", nil, "public `KEY` of which one is to have signed; may be repeated")
	return c
}

// good reports a release whose time is over.
func good(m release.Manifest, now time.Time) error {
	if now.Before(m.Expires) {
		return nil
	}
	return mft.Fail(mft.CodeUnfit, "verify version", m.Version, errors.New("its manifest was good until "+m.Expires.Format(time.RFC3339)))
}

func (s Shell) tell(m release.Manifest, key release.Key, local bool) {
	fmt.Fprintf(s.Out, "mft %s, for %s and later, good until %s\nsigned by %s\n", m.Version, m.Minimum, m.Expires.Format(time.DateOnly), key)
	show.Table(s.Out, func(w io.Writer) {
		for _, b := range m.Binaries {
			state := "as signed"
			if !local {
				state = "not fetched"
			}
			here := ""
			if b.OS == runtime.GOOS && b.Arch == runtime.GOARCH {
				here = "this system"
			}
			fmt.Fprintf(w, "%s/%s\t%s\t%d bytes\t%s\t%s\n", b.OS, b.Arch, b.File, b.Size, state, here)
		}
	})
}
