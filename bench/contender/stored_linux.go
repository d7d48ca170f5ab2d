package contender

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"mft.dev/mft/bench/contender/bare"
	"mft.dev/mft/bench/contender/meter"
	"mft.dev/mft/internal/rig"
)

// An emulator is Azurite with a directory of its own. What it costs is nobody's.
type emulator struct {
	*daemon
	dir    string
	blobs  bare.Account
	queues string
	self   string
	sas    string
	runs   int // each has containers of its own
}

// openStored adds everybody who moves files through a storage account. Sender and
// receiver are here.
func (f *Field) openStored(ctx context.Context, root string, takers []string) error {
	program, err := exec.LookPath("azurite")
	if err != nil {
		for _, name := range takers {
			f.contenders = append(f.contenders, &Contender{Name: name, Missing: "azurite is not installed"})
		}
		return nil
	}
	if f.emulator, err = startEmulator(ctx, program, f.Options); err != nil {
		return fmt.Errorf("starting azurite: %w", err)
	}
	e := f.emulator
	if slices.Contains(takers, "mft") {
		a, err := startRelayed(ctx, f.Dir, f.Mft, e)
		if err != nil {
			return fmt.Errorf("starting the agents: %w", err)
		}
		f.agents = append(f.agents, a)
		own := a.contender()
		own.before = e.forget
		f.contenders = append(f.contenders, own)
	}
	f.contenders = append(f.contenders,
		e.contender("azcopy", "azcopy", root, e.azcopy),
		e.contender("rclone", "rclone", root, e.rclone),
		e.contender("sdk", f.Self, root, e.sdk),
	)
	for _, c := range f.contenders {
		c.Timeless = c.Timeless || c.Name == "azcopy" || c.Name == "sdk"
	}
	f.keep(takers)
	return nil
}

func startEmulator(ctx context.Context, program string, o Options) (*emulator, error) {
	const host = "127.0.0.1"
	ports, err := freePorts(ctx, host, 3)
	if err != nil {
		return nil, err
	}
	e := &emulator{
		dir: filepath.Join(o.Dir, "azurite"), self: o.Self,
		blobs:  bare.Account("http://" + net.JoinHostPort(host, ports[0]) + "/" + bare.Name),
		queues: "http://" + net.JoinHostPort(host, ports[1]) + "/" + bare.Name,
	}
	if err := os.Mkdir(e.dir, 0o700); err != nil {
		return nil, err
	}
	if e.sas, err = e.blobs.Signature(); err != nil {
		return nil, err
	}
	// The queues come up last but for the tables.
	e.daemon, err = startDaemon(ctx, net.JoinHostPort(host, ports[1]), Place{Address: host}, program,
		"--silent", "--skipApiVersionCheck", "--disableTelemetry", "--location", e.dir,
		"--blobHost", host, "--blobPort", ports[0], "--queueHost", host, "--queuePort", ports[1], "--tableHost", host, "--tablePort", ports[2])
	return e, err
}

// forget gives back the memory of what earlier runs have left in the emulator,
// which keeps what nobody needs for ten minutes. The first MiB of each file stays:
// what the agents have published lies there.
func (e *emulator) forget(Trip) error {
	const keep = 1 << 20
	names, err := filepath.Glob(filepath.Join(e.dir, "__blobstorage__", "*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err == nil && info.Size() > keep {
			err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, keep, info.Size()-keep)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// contender makes one of a function that returns the command lines for bringing
// what a trip is about to a container, and from there.
func (e *emulator) contender(name, program, root string, argv func(container string, t Trip) (up, down []string)) *Contender {
	if _, err := exec.LookPath(program); err != nil {
		return &Contender{Name: name, Missing: program + " is not installed"}
	}
	return &Contender{
		Name: name, Root: root, before: e.forget,
		run: func(ctx context.Context, lap *meter.Lap, t Trip) error {
			e.runs++
			container := fmt.Sprintf("%s-%d", name, e.runs)
			if err := bare.Make(ctx, e.blobs, container); err != nil {
				return err
			}
			up, down := argv(container, t)
			for _, leg := range []struct {
				side meter.Side
				argv []string
			}{{meter.Sender, up}, {meter.Receiver, down}} {
				cmd := exec.CommandContext(ctx, leg.argv[0], leg.argv[1:]...)
				// What a program notes goes where the data are.
				cmd.Env = append(os.Environ(), "HOME="+e.dir, "AZCOPY_LOG_LOCATION="+e.dir, "AZCOPY_JOB_PLAN_LOCATION="+e.dir)
				if err := lap.Start(leg.side, cmd)(ctx); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (e *emulator) sdk(container string, t Trip) (up, down []string) {
	return []string{e.self, "bare-upload", string(e.blobs), container, t.Source},
		[]string{e.self, "bare-download", string(e.blobs), container, t.Into}
}

func (e *emulator) rclone(container string, t Trip) (up, down []string) {
	remote := fmt.Sprintf(":azureblob,sas_url='%s?%s':%s", e.blobs, e.sas, container)
	command := []string{"rclone", "copy", "--config", "", "--log-level", "ERROR"}
	into := remote
	if t.Tree {
		into += "/" + filepath.Base(t.Source)
	}
	return append(slices.Clone(command), t.Source, into), append(slices.Clone(command), remote, t.Into)
}

func (e *emulator) azcopy(container string, t Trip) (up, down []string) {
	at := func(name string) string { return fmt.Sprintf("%s/%s%s?%s", e.blobs, container, name, e.sas) }
	name := filepath.Base(t.Source)
	command := []string{"azcopy", "copy", "--log-level=ERROR", "--output-level=essential"}
	if t.Tree {
		command = append(command, "--recursive")
		return append(slices.Clone(command), "--from-to=LocalBlob", t.Source, at("")), append(slices.Clone(command), "--from-to=BlobLocal", at("/"+name), t.Into)
	}
	return append(slices.Clone(command), "--from-to=LocalBlob", t.Source, at("/"+name)),
		append(slices.Clone(command), "--from-to=BlobLocal", at("/"+name), filepath.Join(t.Into, name))
}

// startRelayed starts alpha, which sends, and beta, which receives. They know
// each other's pins and the storage, and never dial each other.
func startRelayed(ctx context.Context, dir, binary string, e *emulator) (*agents, error) {
	a := &agents{}
	fail := func(err error) (*agents, error) { return nil, errors.Join(err, a.stop()) }
	key := filepath.Join(dir, "storage.key")
	if err := os.WriteFile(key, []byte(bare.Key), 0o600); err != nil {
		return fail(err)
	}
	var err error
	if a.alpha, err = rig.New(binary, filepath.Join(dir, "alpha"), "alpha"); err != nil {
		return fail(err)
	}
	if a.beta, err = rig.New(binary, filepath.Join(dir, "beta"), "beta"); err != nil {
		return fail(err)
	}
	pins := map[*rig.Host]string{}
	for _, h := range []*rig.Host{a.alpha, a.beta} {
		if err := h.Start(ctx); err != nil {
			return fail(err)
		}
		pins[h], err = h.Pin(ctx)
		if err = errors.Join(err, h.Stop()); err != nil {
			return fail(err)
		}
	}
	for _, end := range []struct{ own, peer *rig.Host }{{a.alpha, a.beta}, {a.beta, a.alpha}} {
		text := fmt.Sprintf(`exchange: {azure: {account: %s, blob_url: %q, queue_url: %q, credential: {account_key: {file: %q}}}}
peers: {%s: {pin: %q, path: relay}}
allow: {files_from: [{agent: %s, into: %q}]}
`, bare.Name, e.blobs, e.queues, key, end.peer.Name, pins[end.peer], end.peer.Name, end.own.In())
		if err := end.own.Configure(text); err != nil {
			return fail(err)
		}
		if _, err := end.own.Mft(ctx, "exchange", "setup"); err != nil {
			return fail(err)
		}
		if err := end.own.Launch(exec.Command(binary, "run"), syscall.SIGKILL); err != nil {
			return fail(err)
		}
		if err := end.own.Await(ctx); err != nil {
			return fail(err)
		}
	}
	return a, nil
}
