package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/config/collector"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/agent/localapi"
)

// hostConfig is the configuration of an agent on a free port.
func hostConfig(t *testing.T) *config.Config {
	t.Helper()
	dir := t.TempDir()
	cfg := config.Default(func(string) string { return "" })
	cfg.Agent.Name, cfg.Agent.Listen = "erp", "127.0.0.1:0"
	cfg.Agent.DataDir, cfg.Agent.KeysDir = dir, filepath.Join(dir, "keys")
	cfg.Agent.Socket = filepath.Join(dir, "agent.sock")
	return cfg
}

func options(env map[string]string) Options {
	return Options{
		Version: "1", Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Env: func(name string) string { return env[name] },
	}
}

// TestGiveBack: memory is given back once when it has become quiet, and not while
// one transfer ends after the other.
func TestGiveBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		quiet := make(chan struct{})
		var freed atomic.Int32
		var wg sync.WaitGroup
		wg.Go(func() { giveBack(ctx, quiet, func() { freed.Add(1) }) })
		want := func(n int32, after time.Duration, what string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if got := freed.Load(); got != n {
				t.Errorf("%s memory was given back %d times, want %d", what, got, n)
			}
		}
		want(0, restAfter/2, "at the start")
		want(1, time.Hour, "before any transfer")
		for range 3 {
			quiet <- struct{}{}
			want(1, restAfter/2, "between transfers")
		}
		want(2, restAfter, "afterwards")
		want(2, time.Hour, "long afterwards")
		quiet <- struct{}{}
		want(3, restAfter, "after another transfer")
		cancel()
		wg.Wait()
	})
}

// TestRunTellsTheServiceManager holds Run to sd_notify(3).
func TestRunTellsTheServiceManager(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no systemd on Windows")
	}
	defer goleak.VerifyNone(t)
	name := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	if err := manager.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	told := func() string {
		buf := make([]byte, 100)
		n, err := manager.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	cfg := hostConfig(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, cfg, options(map[string]string{"NOTIFY_SOCKET": name})) }()

	if got := told(); got != "READY=1" {
		t.Errorf("first the service manager is told %q, want READY=1", got)
	}
	status, err := localapi.NewClient(cfg.Agent.Socket).Status(ctx)
	if err != nil || status.Name != "erp" || strings.HasSuffix(status.Listen, ":0") {
		t.Errorf("a ready agent answers %+v, %v", status, err)
	}
	cancel()
	if got := told(); got != "STOPPING=1" {
		t.Errorf("then the service manager is told %q, want STOPPING=1", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run returned %v after it was told to end", err)
	}
	if _, err := os.Lstat(cfg.Agent.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestRunTwice(t *testing.T) {
	defer goleak.VerifyNone(t)
	cfg := hostConfig(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, cfg, options(nil)) }()
	client := localapi.NewClient(cfg.Agent.Socket)
	for {
		if _, err := client.Status(ctx); err == nil {
			break
		}
		select {
		case err := <-ended:
			t.Fatal(err)
		default:
			runtime.Gosched()
		}
	}
	if err := Run(ctx, cfg, options(nil)); mft.CodeOf(err) != mft.CodeRunning {
		t.Errorf("a second Run on the same data: %v, want code %s", err, mft.CodeRunning)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRunEndsBeforeItBegins(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, hostConfig(t), options(nil)); err != nil {
		t.Errorf("Run that is told to end at once: %v", err)
	}
}

func TestRunOnATakenPort(t *testing.T) {
	defer goleak.VerifyNone(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := hostConfig(t)
	cfg.Agent.Listen = l.Addr().String()
	err = Run(t.Context(), cfg, options(nil))
	if mft.CodeOf(err) != mft.CodeConfig || !strings.Contains(err.Error(), cfg.Agent.Listen) {
		t.Errorf("Run on a taken port: %v, want code %s and the address", err, mft.CodeConfig)
	}
}

// TestRunTells has a collector named in the configuration: it hears of the
// start, and the status says so.
func TestRunTells(t *testing.T) {
	defer goleak.VerifyNone(t)
	asked := make(chan string, 100)
	told := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	defer told.Close()
	cfg := hostConfig(t)
	cfg.Telemetry = &collector.Telemetry{OTLP: &collector.OTLP{Endpoint: storage.URL(told.URL), Signals: collector.Signals{collector.Logs}}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, cfg, options(nil)) }()
	select {
	case path := <-asked:
		if path != "/v1/logs" {
			t.Errorf("the collector is asked for %s", path)
		}
	case err := <-ended:
		t.Fatalf("Run returned %v", err)
	}
	status, err := localapi.NewClient(cfg.Agent.Socket).Status(ctx)
	if err != nil || len(status.Telemetry) != 1 || status.Telemetry[0].Name != "otlp logs" {
		t.Errorf("the status says %+v, %v", status.Telemetry, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
