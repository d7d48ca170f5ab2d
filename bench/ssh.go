//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"mft.dev/mft/internal/rig"
)

// ssh is an sshd of our own, on loopback, with keys that were made for it.
type ssh struct {
	sshd    *exec.Cmd
	command string // for rsync -e
	host    string
}

func startSSH(ctx context.Context, dir string) (*ssh, error) {
	own := filepath.Join(dir, "ssh")
	if err := os.Mkdir(own, 0o700); err != nil {
		return nil, err
	}
	for _, key := range []string{"host", "user"} {
		out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(own, key)).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("ssh-keygen: %w: %s", err, out)
		}
	}
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		if sshd, err = exec.LookPath("/usr/sbin/sshd"); err != nil {
			return nil, err
		}
	}
	addr, err := rig.FreeAddr()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(own, "sshd_config")
	text := strings.Join([]string{
		"ListenAddress " + addr,
		"HostKey " + filepath.Join(own, "host"),
		"AuthorizedKeysFile " + filepath.Join(own, "user.pub"),
		"PidFile none", "StrictModes no", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"UsePAM no", "PermitRootLogin yes", "Ciphers aes128-gcm@openssh.com", "",
	}, "\n")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	s := &ssh{host: me.Username + "@" + host, sshd: exec.CommandContext(ctx, sshd, "-D", "-e", "-f", conf)}
	s.command = fmt.Sprintf("ssh -p %s -i %s -c aes128-gcm@openssh.com -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o IdentitiesOnly=yes",
		port, filepath.Join(own, "user"))
	if err := s.sshd.Start(); err != nil {
		return nil, err
	}
	return s, awaitDial(ctx, addr)
}

// rsync is what a person types.
func (s *ssh) rsync(ctx context.Context, source, dest string) error {
	out, err := exec.CommandContext(ctx, "rsync", "-a", "-e", s.command, source, s.host+":"+dest).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func (s *ssh) stop() error {
	if err := s.sshd.Process.Kill(); err != nil {
		return err
	}
	_ = s.sshd.Wait() // it was killed
	return nil
}

func awaitDial(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}
