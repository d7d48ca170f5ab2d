package quickstart

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/internal/confine/filesys"
)

// A host stands for one machine: a directory, a configuration and a process.
type host struct {
	name   mft.AgentName
	dir    string
	cfg    *config.Config
	client *localapi.Client

	process *os.Process
	ended   chan struct{} // closed when the process has ended
	ending  atomic.Bool   // it was told to
}

func newHost(name mft.AgentName, dir string) *host {
	return &host{name: name, dir: filepath.Join(dir, string(name))}
}

func (h *host) file() string { return filepath.Join(h.dir, "mft.yaml") }
func (h *host) log() string  { return filepath.Join(h.dir, "agent.log") }

// configure loads the configuration of an earlier run, or makes one with the
// channels. A port that somebody else has taken meanwhile is changed; a folder,
// unless it is "", becomes the exchange.
func (h *host) configure(folder string, channels ...mft.Channel) error {
	cfg, err := config.Load(h.file())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		cfg = config.Default(func(string) string { return "" })
		data := filepath.Join(h.dir, "data")
		cfg.Agent.Name, cfg.Agent.Listen, cfg.Channels = h.name, "", channels
		cfg.Agent.DataDir, cfg.Agent.KeysDir = data, filepath.Join(data, "keys")
		cfg.Agent.Socket = filepath.Join(data, "agent.sock")
	case err != nil:
		return err
	}
	moved, err := shortSocket(cfg)
	if err != nil {
		return err
	}
	h.cfg, h.client = cfg, localapi.NewClient(cfg.Agent.Socket)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := h.client.Status(ctx); err == nil {
		return mft.Fail(mft.CodeRunning, "start agent "+string(h.name)+" in", h.dir, errors.New("a quickstart already runs there"))
	}
	if cfg.Agent.Listen == "" || !free(cfg.Agent.Listen) {
		if cfg.Agent.Listen, err = freeAddress(); err != nil {
			return err
		}
		moved = true
	}
	if folder != "" && cfg.Exchange == nil {
		cfg.Exchange = &storage.Exchange{Dir: &storage.Dir{Path: storage.Path(folder)}}
		moved = true
	}
	if !moved {
		return nil
	}
	return h.write()
}

// longestSocket is what every system takes for the path of a socket, in bytes.
const longestSocket = 103

// shortSocket moves the socket into a directory of its own for temporary files
// if the path below a deep directory is too long for one, and reports whether
// it did. A directory that was cleaned away is not made again by its name,
// which somebody else may have taken.
func shortSocket(cfg *config.Config) (moved bool, err error) {
	dir := filepath.Dir(cfg.Agent.Socket)
	_, err = os.Lstat(dir)
	inside := strings.HasPrefix(cfg.Agent.Socket, cfg.Agent.DataDir)
	if len(cfg.Agent.Socket) <= longestSocket && (inside || err == nil) {
		return false, nil
	}
	if dir, err = os.MkdirTemp("", "mft-"); err != nil {
		return false, mft.Fail(filesys.CodeFor(err), "make a directory for the socket in", os.TempDir(), filesys.Cause(err))
	}
	cfg.Agent.Socket = filepath.Join(dir, "agent.sock")
	return true, nil
}

func (h *host) write() error {
	text, err := h.cfg.YAML()
	if err != nil {
		return mft.Fail(mft.CodeInternal, "write the configuration", h.file(), err)
	}
	head := "# Agent " + string(h.name) + " of mft quickstart. Change it; it is read at the next start.\n"
	if err := os.WriteFile(h.file(), append([]byte(head), text...), 0o644); err != nil {
		return mft.Fail(filesys.CodeFor(err), "write the configuration", h.file(), filesys.Cause(err))
	}
	return nil
}

// free says whether an agent could listen on address.
func free(address string) bool {
	l, err := net.Listen("tcp", address)
	return err == nil && l.Close() == nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", mft.Fail(mft.CodeIO, "find a free port on", "127.0.0.1", err)
	}
	return l.Addr().String(), l.Close()
}

// start starts the agent. When the process ends before stop was called, died
// is told why.
func (h *host) start(program, name string, died func(error)) error {
	log, err := os.OpenFile(h.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return mft.Fail(filesys.CodeFor(err), "write the log", h.log(), filesys.Cause(err))
	}
	defer log.Close()
	from, err := log.Seek(0, 2)
	if err != nil {
		return mft.Fail(filesys.CodeFor(err), "write the log", h.log(), filesys.Cause(err))
	}
	cmd := exec.Command(program, "run", "--config", h.file())
	cmd.Args[0] = name
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "MFT_CONFIG=") || strings.HasPrefix(v, "NOTIFY_SOCKET=")
	})
	cmd.SysProcAttr = childAttributes()
	h.ended = make(chan struct{})
	h.ending.Store(false)
	started := make(chan error, 1)
	go func() {
		defer close(h.ended)
		// Linux ends the child with the thread that started it; this one lives
		// as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		h.process = cmd.Process
		started <- err
		if err != nil {
			return
		}
		if err = cmd.Wait(); !h.ending.Load() {
			died(h.epitaph(err, from))
		}
	}()
	if err := <-started; err != nil {
		return mft.Fail(mft.CodeIO, "start agent", string(h.name), err)
	}
	return nil
}

// epitaph says why the agent ended: by the last words in its log.
func (h *host) epitaph(err error, from int64) error {
	code, words := mft.CodeOther, "it ended"
	if err != nil {
		words = err.Error()
	}
	if content, rerr := os.ReadFile(h.log()); rerr == nil && int64(len(content)) >= from {
		for line := range strings.SplitSeq(string(content[from:]), "\n") {
			if said, ok := strings.CutPrefix(line, "mft: "); ok {
				words, code = withoutCode(said)
			}
		}
	}
	return mft.Fail(code, "run agent", string(h.name), fmt.Errorf("%s; its log is %s", words, h.log()))
}

// withoutCode takes a message apart that ends in "[CODE]".
func withoutCode(said string) (words string, code mft.Code) {
	if i := strings.LastIndex(said, " ["); i >= 0 && strings.HasSuffix(said, "]") {
		if code := mft.Code(said[i+2 : len(said)-1]); code.Known() {
			return said[:i], code
		}
	}
	return said, mft.CodeOther
}

// await returns once the agent answers.
func (h *host) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := h.client.Status(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return mft.Fail(mft.CodeNotRunning, "wait for agent", string(h.name), err)
		case <-again.C:
		}
	}
}

// grace is how long an agent may take to end before it is killed.
const grace = 10 * time.Second

// stop ends the agent, if it was started, and waits for its death.
func (h *host) stop() error {
	if h == nil || h.process == nil {
		return nil
	}
	select {
	case <-h.ended:
		return nil
	default:
	}
	h.ending.Store(true)
	terminate(h.process) // it may have died meanwhile
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-h.ended:
		return nil
	case <-timer.C:
	}
	err := h.process.Kill()
	<-h.ended
	return mft.Fail(mft.CodeTimeout, "end agent", string(h.name), errors.Join(errors.New("it had to be killed"), err))
}

// knows reports whether h trusts other and would find it.
func (h *host) knows(ctx context.Context, other *host) bool {
	p, err := h.client.Peer(ctx, other.name)
	return err == nil && p.Address == other.cfg.Agent.Listen
}
