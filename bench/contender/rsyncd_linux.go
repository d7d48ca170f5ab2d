package contender

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"mft.dev/mft/bench/contender/meter"
)

// rsyncd is a daemon of rsync that writes below one directory. It does not
// encrypt.
type rsyncd struct {
	*daemon
	url  string
	root string // what the URL stands for
	from Place
}

func (f *Field) openRsyncd(ctx context.Context, arrived string) error {
	program, err := exec.LookPath("rsync")
	if err != nil {
		for _, name := range []string{"rsyncd", "rsyncd-z"} {
			f.contenders = append(f.contenders, &Contender{Name: name, Missing: "rsync is not installed"})
		}
		return nil
	}
	port, err := freePort(ctx, f.Receiver)
	if err != nil {
		return err
	}
	if f.Receiver.Enter != nil {
		port = "8730" // sshd has the other one
	}
	conf := filepath.Join(f.Dir, "rsyncd.conf")
	text := []string{
		"address = " + f.Receiver.Address, "port = " + port, "use chroot = no", "reverse lookup = no",
		"log file = " + filepath.Join(f.Dir, "rsyncd.log"),
		"[field]", "path = " + f.Dir, "read only = no",
	}
	if os.Geteuid() == 0 { // -a sets owners
		text = append(text, "uid = 0", "gid = 0")
	}
	if err := os.WriteFile(conf, []byte(strings.Join(text, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	address := net.JoinHostPort(f.Receiver.Address, port)
	r := &rsyncd{url: fmt.Sprintf("rsync://%s/field", address), root: f.Dir, from: f.Sender}
	if r.daemon, err = startDaemon(ctx, address, f.Receiver, program, "--daemon", "--no-detach", "--config="+conf); err != nil {
		return err
	}
	f.rsyncd = r
	for _, way := range []struct{ name, flags string }{{"rsyncd", "-a"}, {"rsyncd-z", "-az"}} {
		f.contenders = append(f.contenders, &Contender{
			Name:    way.name,
			Root:    arrived,
			daemons: []meter.Daemon{{Side: meter.Receiver, PID: r.cmd.Process.Pid, Forks: true}},
			run:     func(ctx context.Context, lap *meter.Lap, t Trip) error { return r.run(ctx, lap, t, way.flags) },
		})
	}
	return nil
}

func (r *rsyncd) run(ctx context.Context, lap *meter.Lap, t Trip, flags string) error {
	into, err := filepath.Rel(r.root, t.Into)
	if err != nil {
		return err
	}
	argv := []string{"rsync", flags}
	if t.Mirror {
		argv = append(argv, "--delete")
	}
	argv = append(argv, t.Source, r.url+"/"+into+"/")
	return lap.Run(ctx, r.from.commandContext(ctx, argv...))
}
