package process

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/internal/restrict"
	"mft.dev/mft/protocol"
)

func TestMain(m *testing.M) {
	if status, asked := Become(os.Args, os.Stderr); asked {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

func started(t *testing.T) (*Process, Config, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	dir := t.TempDir()
	c := Config{Dir: dir, File: identity.KeysFile(dir), Name: "erp", Log: slog.New(slog.NewTextHandler(&log, nil))}
	p, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Errorf("Close = %v", err)
		}
	})
	return p, c, &log
}

func sign(t *testing.T, k *identity.Keys) error {
	t.Helper()
	e := &protocol.Envelope{
		Version: protocol.Version, Kind: protocol.KindOffer, Transfer: mft.TransferID{1}, Sender: "erp", Recipient: "ledger",
		Sequence: 1, Issued: time.Now(), Expires: time.Now().Add(time.Minute), KeyID: k.KeyID(),
	}
	_, err := k.SignAs(e.KeyID, e.SigningBytes(), time.Now())
	return err
}

// TestProcess: it makes the keys, signs, rotates where it may write, is confined,
// and is there again when it was killed.
func TestProcess(t *testing.T) {
	p, c, log := started(t)
	keys, err := identity.Held("erp", p, p.Public())
	if err != nil {
		t.Fatal(err)
	}
	if err := sign(t, keys); err != nil {
		t.Error(err)
	}
	walls, ok := p.Walls()
	if !ok || walls.PID == os.Getpid() || walls.Role != restrict.RoleKeys || len(walls.Missing()) > 0 {
		t.Errorf("walls are %v, %v", walls, ok)
	}
	if err := keys.Rotate(time.Now(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(walls.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := sign(t, keys); err != nil {
		t.Errorf("after it was killed: %v", err)
	}
	again, ok := p.Walls()
	if !ok || again.PID == walls.PID {
		t.Errorf("walls are %v, %v", again, ok)
	}
	stored, err := identity.Load(c.Dir, "erp", time.Now())
	if err != nil || stored.KeyID() != keys.KeyID() {
		t.Errorf("the file has other keys: %v", err)
	}
	_ = p.Close()
	if !strings.Contains(log.String(), "the key process has ended") {
		t.Errorf("the log is %q", log)
	}
	if err := sign(t, keys); mft.CodeOf(err) != mft.CodeKeysAway {
		t.Errorf("after Close: %v", err)
	}
	if err := unix.Kill(again.PID, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("the process is there after Close: %v", err)
	}
}

// TestStartFails: what is wrong with the keys is said by the code that it has.
func TestStartFails(t *testing.T) {
	dir := t.TempDir()
	file := identity.KeysFile(dir)
	c := Config{Dir: dir, File: file, Name: "erp", Log: slog.New(slog.DiscardHandler)}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(c); mft.CodeOf(err) != mft.CodeCorrupt {
		t.Errorf("no keys: %v", err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(c); mft.CodeOf(err) != mft.CodeConfig {
		t.Errorf("keys that others may read: %v", err)
	}
	c.Dir = filepath.Join(dir, "missing")
	if _, err := Start(c); mft.CodeOf(err) != mft.CodeKeysAway {
		t.Errorf("no directory: %v", err)
	}
}

// TestBecome: nobody else starts it.
func TestBecome(t *testing.T) {
	for _, args := range [][]string{nil, {"mft"}, {"mft", word, "more"}} {
		if _, asked := Become(args, nil); asked {
			t.Errorf("%q is taken for it", args)
		}
	}
	// A program that was started so and is not that starts no further one.
	own := os.Args
	os.Args = []string{"mft", word}
	_, err := Start(Config{Dir: t.TempDir(), Name: "erp"})
	os.Args = own
	if mft.CodeOf(err) != mft.CodeKeysAway || !strings.Contains(err.Error(), "Become") {
		t.Errorf("Start in a program that does not call Become = %v", err)
	}
	for _, text := range []string{"", "{}", `{"policy":{"Role":"exit"}}`} {
		if err := become(strings.NewReader(text)); mft.CodeOf(err) != mft.CodeUsage {
			t.Errorf("%q: %v", text, err)
		}
	}
}
