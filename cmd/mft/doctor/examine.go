package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/progress"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/internal/confine/filesys"
)

// The looks that the doctor takes at this host itself.

// closedTo reports whether only the owner may look at what info describes.
// Windows says it by other means than a mode.
func closedTo(info fs.FileInfo) bool {
	return runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0
}

func checkDataDir(dir string) Finding {
	const what = "data directory"
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return good(what, "%s is not there yet; the agent makes it when it starts", dir)
	case err != nil:
		return bad(what, mft.Fail(filesys.CodeFor(err), "look at", dir, filesys.Cause(err)))
	case !info.IsDir():
		return bad(what, mft.Fail(mft.CodeWrongType, "look at", dir, errors.New("it is not a directory")))
	case !closedTo(info):
		return Finding{
			Grade: GradeWarn, What: what, Says: fmt.Sprintf("%s is open to others (mode %04o)", dir, info.Mode().Perm()),
			Remedy: "chmod 700 " + dir,
		}
	}
	return good(what, "%s", dir)
}

func checkKeys(dir string) Finding {
	const what = "keys"
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return good(what, "none yet; the agent makes them when it starts")
	case err != nil:
		return Finding{
			Grade: GradeNote, What: what, Says: fmt.Sprintf("this user may not look at %s: %v", dir, filesys.Cause(err)),
			Remedy: "run mft doctor as the user of the agent",
		}
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() || closedTo(info) {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		return Finding{
			Grade: GradeBad, What: what, Says: fmt.Sprintf("%s can be read by others (mode %04o)", path, info.Mode().Perm()),
			Remedy: "chmod 600 " + path + ", and `mft key rotate` if anybody else has a login here",
		}
	}
	return good(what, "%s is closed to others", dir)
}

// checkPortFree asks whether an agent could listen where a setting says.
func checkPortFree(ctx context.Context, what, listen, setting string) Finding {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", listen)
	if err != nil {
		return Finding{
			Grade: GradeBad, What: what, Says: fmt.Sprintf("nothing can listen on %s: %v", listen, networkCause(err)),
			Remedy: "end the program that uses it, or set " + setting + " to another port",
		}
	}
	if err := l.Close(); err != nil {
		return bad(what, mft.Fail(mft.CodeIO, "close", listen, err))
	}
	return good(what, "%s is free", listen)
}

// checkPortOpen asks whether the agent accepts connections.
func checkPortOpen(ctx context.Context, listen string) Finding {
	if listen == "" {
		return good("port", "the agent only dials")
	}
	address, err := here(listen)
	if err != nil {
		return bad("port", err)
	}
	if err := dial(ctx, address); err != nil {
		return bad("port", mft.Fail(mft.CodeUnreachable, "dial", listen, err))
	}
	return good("port", "%s accepts connections from this host; a firewall may still stop others", listen)
}

// here is how this host dials an address that it listens on.
func here(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", mft.Fail(mft.CodeConfig, "read the address", listen, err)
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "localhost"
	}
	return net.JoinHostPort(host, port), nil
}

// dialTimeout is how long a connection may take that only proves a point.
const dialTimeout = 2 * time.Second

// dial makes a connection and drops it.
func dial(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return networkCause(err)
	}
	return conn.Close()
}

// networkCause takes the addresses off an error that is reported with them.
func networkCause(err error) error {
	var oe *net.OpError
	if errors.As(err, &oe) {
		return oe.Err
	}
	return err
}

// The free space below which the doctor speaks up, in bytes.
const (
	spaceLow  = 1 << 30
	spaceNone = 64 << 20
)

// checkSpace looks at the data directory and wherever files may arrive.
func checkSpace(cfg *config.Config, peers []localapi.Peer) []Finding {
	dirs := map[string]bool{cfg.Agent.DataDir: true}
	for _, g := range cfg.Allow.FilesFrom {
		dirs[g.Root] = true
	}
	for _, p := range peers {
		for _, dir := range p.FilesInto {
			dirs[dir] = true
		}
	}
	var list []Finding
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		f, ok := spaceIn(dir)
		switch {
		case ok:
			list = append(list, f)
		case dir != cfg.Agent.DataDir: // which the agent makes itself
			list = append(list, Finding{
				Grade: GradeWarn, What: "space in " + progress.Plain(dir), Says: "files may be sent there, but there is no such directory",
				Remedy: "make it, for the user of the agent",
			})
		}
	}
	return list
}

// spaceIn reports false when there is no such directory.
func spaceIn(dir string) (Finding, bool) {
	what := "space in " + progress.Plain(dir)
	root, err := confine.Open(dir)
	if mft.CodeOf(err) == mft.CodeNotFound {
		return Finding{}, false
	}
	if err != nil {
		return Finding{Grade: GradeNote, What: what, Says: err.Error(), Remedy: "run mft doctor as the user of the agent"}, true
	}
	defer root.Close()
	space, err := root.Free("")
	if err != nil {
		return bad(what, err), true
	}
	f := good(what, "%s free", progress.Bytes(space.Bytes))
	switch {
	case space.Bytes < spaceNone || space.Inodes == 0:
		f.Grade, f.Remedy = GradeBad, mft.CodeNoSpace.Remedy()
	case space.Bytes < spaceLow:
		f.Grade, f.Remedy = GradeWarn, "make room before transfers have to wait"
	}
	return f, true
}

// A configuredPeer is a peer of the configuration, for a loop in order.
type configuredPeer struct {
	name    mft.AgentName
	address string
}

func sortedPeers(cfg *config.Config) []configuredPeer {
	var list []configuredPeer
	for _, name := range slices.Sorted(maps.Keys(cfg.Peers)) {
		list = append(list, configuredPeer{name, cfg.Peers[name].Address})
	}
	return list
}
