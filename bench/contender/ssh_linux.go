package contender

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"mft.dev/mft/bench/contender/meter"
)

// cipher is the fastest that OpenSSH has on processors with AES.
const cipher = "aes128-gcm@openssh.com"

// sshd is a server of our own, with keys that were made for it.
type sshd struct {
	*daemon
	own  string // directory of keys and configuration
	port string
	host string // USER@HOST
	from Place
	root string
}

// openSSH adds everybody who moves files through sshd.
func (f *Field) openSSH(ctx context.Context, root string) error {
	names := []string{"rsync+ssh", "rsync-z+ssh", "scp", "sftp", "tar+ssh", "rclone"}
	server, err := firstOf("sshd", "/usr/sbin/sshd")
	if err != nil {
		for _, name := range names {
			f.contenders = append(f.contenders, &Contender{Name: name, Missing: "sshd is not installed"})
		}
		return nil
	}
	if f.sshd, err = startSSHD(ctx, f.Options, server, f.Sender, f.Receiver); err != nil {
		return err
	}
	f.sshd.root = root
	f.contenders = append(f.contenders,
		f.sshd.contender("rsync+ssh", "rsync", f.sshd.rsync),
		f.sshd.contender("rsync-z+ssh", "rsync", f.sshd.rsyncZ),
		f.sshd.contender("scp", "scp", f.sshd.scp),
		f.sshd.contender("sftp", "sftp", f.sshd.sftp),
		f.sshd.contender("tar+ssh", "tar", f.sshd.tar),
		f.sshd.contender("rclone", "rclone", f.sshd.rclone),
	)
	return nil
}

// firstOf returns the first of some names that is a program here.
func firstOf(names ...string) (string, error) {
	var errs []error
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err == nil {
			return path, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

func startSSHD(ctx context.Context, o Options, server string, from, at Place) (*sshd, error) {
	s := &sshd{own: filepath.Join(o.Dir, "ssh"), from: from}
	if err := os.Mkdir(s.own, 0o700); err != nil {
		return nil, err
	}
	for _, key := range []string{"host", "user"} {
		out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(s.own, key)).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("ssh-keygen: %w: %s", err, out)
		}
	}
	var err error
	if s.port, err = freePort(ctx, at); err != nil {
		return nil, err
	}
	address := net.JoinHostPort(at.Address, s.port)
	conf := filepath.Join(s.own, "sshd_config")
	text := strings.Join([]string{
		"ListenAddress " + address,
		"HostKey " + filepath.Join(s.own, "host"),
		"AuthorizedKeysFile " + filepath.Join(s.own, "user.pub"),
		"PidFile none", "StrictModes no", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"UsePAM no", "UseDNS no", "PermitRootLogin yes", "PrintMotd no", "Subsystem sftp internal-sftp", "Ciphers " + cipher, "",
	}, "\n")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	s.host = me.Username + "@" + at.Address
	s.daemon, err = startDaemon(ctx, address, at, server, "-D", "-e", "-f", conf)
	return s, err
}

// flags are those of ssh; port is how the program spells the port.
func (s *sshd) flags(port string) []string {
	return []string{
		"-F", "none", port, s.port, "-i", filepath.Join(s.own, "user"), "-c", cipher,
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes",
	}
}

// contender makes one of a function that returns the command line for a trip.
func (s *sshd) contender(name, program string, argv func(Trip) ([]string, string)) *Contender {
	if _, err := exec.LookPath(program); err != nil {
		return &Contender{Name: name, Missing: program + " is not installed"}
	}
	return &Contender{
		Name:    name,
		Root:    s.root,
		daemons: []meter.Daemon{{Side: meter.Receiver, PID: s.cmd.Process.Pid, Forks: true}},
		run: func(ctx context.Context, lap *meter.Lap, t Trip) error {
			args, input := argv(t)
			cmd := s.from.commandContext(ctx, args...)
			cmd.Stdin = strings.NewReader(input)
			return lap.Run(ctx, cmd)
		},
	}
}

func (s *sshd) rsync(t Trip) (argv []string, input string) {
	argv = []string{"rsync", "-a", "-e", strings.Join(append([]string{"ssh"}, s.flags("-p")...), " ")}
	if t.Mirror {
		argv = append(argv, "--delete")
	}
	return append(argv, t.Source, s.host+":"+t.Into+"/"), ""
}

func (s *sshd) rsyncZ(t Trip) (argv []string, input string) {
	argv, input = s.rsync(t)
	return slices.Insert(argv, 1, "-z"), input
}

func (s *sshd) scp(t Trip) (argv []string, input string) {
	argv = append([]string{"scp", "-q", "-r", "-p"}, s.flags("-P")...)
	return append(argv, t.Source, s.host+":"+t.Into+"/"), ""
}

func (s *sshd) sftp(t Trip) (argv []string, input string) {
	argv = append([]string{"sftp", "-q", "-b", "-"}, s.flags("-P")...)
	return append(argv, s.host), fmt.Sprintf("put -R -p %q %q\n", t.Source, t.Into+"/")
}

func (s *sshd) tar(t Trip) (argv []string, input string) {
	// The shell that waits for both is the sender's.
	line := `tar -C "$1" -cf - "$2" | { shift 2; ssh "$@"; }`
	argv = []string{"sh", "-c", line, "sh", filepath.Dir(t.Source), filepath.Base(t.Source)}
	argv = append(append(argv, s.flags("-p")...), s.host, "tar -C '"+t.Into+"' -xpf -")
	return argv, ""
}

func (s *sshd) rclone(t Trip) (argv []string, input string) {
	into := t.Into
	if t.Tree {
		into = filepath.Join(into, filepath.Base(t.Source))
	}
	name, host, _ := strings.Cut(s.host, "@")
	remote := fmt.Sprintf(":sftp,host=%s,port=%s,user=%s,key_file='%s',shell_type=unix,disable_hashcheck=true:%s", host, s.port, name, filepath.Join(s.own, "user"), into)
	// Without the last option it starts a shell for the digest of every file, a
	// hundred times as slow.
	return []string{"rclone", "copy", "--config", "", "--log-level", "ERROR", t.Source, remote}, ""
}
