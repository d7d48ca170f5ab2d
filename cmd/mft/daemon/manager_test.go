package daemon

import (
	"context"
	"net"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestWatchdog: the service manager hears of every look that returns, and
// nothing more once one hangs.
func TestWatchdog(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no systemd on Windows")
	}
	name := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	if err := manager.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	const looks = 3
	hung, release := make(chan struct{}), make(chan struct{})
	n := 0
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() {
		options(map[string]string{"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "2000"}).watchdog(ctx, func(context.Context) {
			if n++; n == looks+1 {
				close(hung)
				<-release
			}
		})
	})
	<-hung
	buf := make([]byte, 100)
	for range looks {
		if n, err := manager.Read(buf); err != nil || string(buf[:n]) != "WATCHDOG=1" {
			t.Errorf("the service manager is told %q, %v, want WATCHDOG=1", buf[:n], err)
		}
	}
	if err := manager.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if n, err := manager.Read(buf); err == nil {
		t.Errorf("while a look hangs the service manager is told %q", buf[:n])
	}
	cancel()
	close(release)
	wg.Wait()
}

// TestNoWatchdog: nobody who did not ask is told.
func TestNoWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, asked := range []string{"", "0", "soon"} {
			options(map[string]string{"WATCHDOG_USEC": asked}).watchdog(t.Context(), func(context.Context) { t.Errorf("WATCHDOG_USEC=%q: it looked", asked) })
		}
	})
}
