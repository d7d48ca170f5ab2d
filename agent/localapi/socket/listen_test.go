package socket

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"mft.dev/mft"
)

func TestListen(t *testing.T) {
	for _, tt := range []struct {
		name  string
		setup func(t *testing.T, path string)
		want  mft.Code
	}{
		{"nothing there", func(*testing.T, string) {}, mft.CodeOK},
		{"no directory either", func(t *testing.T, path string) {
			if err := os.Remove(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
		}, mft.CodeOK},
		{"a socket left behind", func(t *testing.T, path string) {
			ln := listen(t, path)
			ln.SetUnlinkOnClose(false)
			ln.Close()
		}, mft.CodeOK},
		{"a socket in use", func(t *testing.T, path string) { listen(t, path) }, mft.CodeRunning},
		{"a file", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, mft.CodeConfig},
		{"a directory", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, mft.CodeConfig},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "s")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			path := filepath.Join(dir, "s")
			tt.setup(t, path)
			ln, err := Listen(path, "")
			if got := mft.CodeOf(err); got != tt.want {
				t.Fatalf("Listen = %v, want code %s", err, tt.want)
			}
			if err != nil {
				if _, err := os.Lstat(path); err != nil {
					t.Errorf("what was there has gone: %v", err)
				}
				return
			}
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode().Perm(); runtime.GOOS != "windows" && got != 0o600 {
				t.Errorf("permissions = %o, want 600", got)
			}
			if err := ln.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(path); !os.IsNotExist(err) {
				t.Errorf("after Close: %v, want that the socket is gone", err)
			}
		})
	}
}

func listen(t *testing.T, path string) *net.UnixListener {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func TestListenRefuses(t *testing.T) {
	if _, err := Listen(filepath.Join(t.TempDir(), strings.Repeat("x", 100)), ""); mft.CodeOf(err) != mft.CodeConfig {
		t.Errorf("Listen on a long path = %v, want code %s", err, mft.CodeConfig)
	}
	if _, err := Listen(filepath.Join(t.TempDir(), "s"), "no-such-group-here"); mft.CodeOf(err) != mft.CodeConfig {
		t.Errorf("Listen for an unknown group = %v, want code %s", err, mft.CodeConfig)
	}
}

func TestAdmitsThisUser(t *testing.T) {
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ln, err := Listen(filepath.Join(dir, "s"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := ln.Admits(conn); err != nil {
		t.Errorf("Admits(the same user) = %v, want nil", err)
	}
}
