package watch

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
)

const mechanism = "inotify"

// mask is what is asked of every directory. Close-write tells that a writer is
// done, which is what makes inotify better here than anything portable.
const mask = unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_CREATE |
	unix.IN_ONLYDIR | unix.IN_DONT_FOLLOW | unix.IN_EXCL_UNLINK

// An inotify is one inotify instance. Only the goroutine of Run uses it.
type inotify struct {
	*Watcher
	file *os.File
	fd   int
	dirs map[int32]string // watch descriptor → path below root
}

func (w *Watcher) run(ctx context.Context, quiet time.Duration, look func(string)) (rests *os.File, err error) {
	fd, err := instance()
	if err != nil {
		return nil, fail(mft.CodeOther, w.root, err)
	}
	in := &inotify{Watcher: w, file: os.NewFile(uintptr(fd), "inotify"), fd: fd, dirs: map[int32]string{}}
	defer func() {
		if rests == nil {
			in.file.Close()
		}
	}()
	if err := in.add(""); err != nil {
		return nil, err
	}
	if len(in.dirs) == 0 {
		return nil, fail(mft.CodeNotFound, w.root, nil)
	}
	look("")
	buf := make([]byte, 64<<10)
	for {
		n, err := in.read(ctx, buf, quiet)
		switch {
		case ctx.Err() != nil:
			return nil, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return in.file, nil
		case err != nil:
			return nil, fail(mft.CodeIO, w.root, err)
		}
		if err := in.handle(buf[:n], look); err != nil {
			return nil, err
		}
		if len(in.dirs) == 0 {
			return nil, fail(mft.CodeNotFound, w.root, nil)
		}
	}
}

// read reads events, until ctx ends or there were none for a while; 0 is for ever.
func (in *inotify) read(ctx context.Context, buf []byte, quiet time.Duration) (int, error) {
	end := time.Time{}
	if quiet > 0 {
		end = time.Now().Add(quiet)
	}
	if err := in.file.SetReadDeadline(end); err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, func() { _ = in.file.SetReadDeadline(time.Unix(1, 0)) })()
	return in.file.Read(buf)
}

// instance makes an inotify instance.
func instance() (int, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if errors.Is(err, unix.EMFILE) {
		err = fmt.Errorf("the limit fs.inotify.max_user_instances is reached: %w", err)
	}
	return fd, err
}

// markMask is what is asked of a directory in which a file may appear or go.
const markMask = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF |
	unix.IN_ATTRIB | unix.IN_ONLYDIR

// Directories watches some directories, and nothing below them: see Await. What happens to
// a directory above one of them it does not notice.
func Directories(dirs []string) (*os.File, error) {
	fd, err := instance()
	if err != nil {
		return nil, fail(mft.CodeOther, "", err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	for _, dir := range dirs {
		if _, err := unix.InotifyAddWatch(fd, dir, markMask); err != nil {
			f.Close()
			return nil, fail(mft.CodeOther, dir, err)
		}
	}
	return f, nil
}

// Check says why a file that another process has sent is not one that keeps watch.
func Check(f *os.File) error {
	err := f.SetReadDeadline(time.Time{}) // it waits for nobody
	if err == nil {
		err = control(f, func(fd uintptr) error {
			at, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
			if err == nil && at != "anon_inode:inotify" {
				err = errors.New("it is something else")
			}
			return err
		})
	}
	if err != nil {
		return fail(mft.CodeInternal, "", fmt.Errorf("what another process sent keeps no watch: %w", err))
	}
	return nil
}

func control(f *os.File, do func(fd uintptr) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	cerr := raw.Control(func(fd uintptr) { err = do(fd) })
	return errors.Join(err, cerr)
}

// Happened reports whether something has happened that f keeps watch for. It takes nothing of
// it away: once it is so, it stays so.
func Happened(f *os.File) bool {
	is := true // also what cannot be asked
	_ = control(f, func(fd uintptr) error {
		is = ready(fd)
		return nil
	})
	return is
}

// ready reports whether there are events. It reads none: somebody else who has the file may
// have made that wait.
func ready(fd uintptr) bool {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		if !errors.Is(err, unix.EINTR) { // of the runtime's own signals
			return err != nil || n > 0
		}
	}
}

// Await waits until Happened, or ctx ends.
func Await(ctx context.Context, f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return fail(mft.CodeIO, "", err)
	}
	defer context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })()
	if err := raw.Read(ready); err != nil && ctx.Err() == nil {
		return fail(mft.CodeIO, "", err)
	}
	return nil
}

// add watches the directory rel and everything below it.
func (in *inotify) add(rel string) error {
	return in.directories(rel, func(rel string) error {
		wd, err := unix.InotifyAddWatch(in.fd, in.full(rel), mask)
		switch {
		case err == nil:
			in.dirs[int32(wd)] = rel
			return nil
		case errors.Is(err, unix.ENOSPC):
			return fail(mft.CodeOther, in.full(rel), fmt.Errorf("the limit fs.inotify.max_user_watches is reached: %w", err))
		case errors.Is(err, unix.ENOMEM):
			return fail(mft.CodeOther, in.full(rel), err)
		}
		return fs.SkipDir // gone, or not ours to see
	})
}

// remove ends the watches of a directory that has moved away, with all that
// is below it: their paths are no longer true.
func (in *inotify) remove(rel string) {
	for wd, dir := range in.dirs {
		if within(dir, rel) {
			_, _ = unix.InotifyRmWatch(in.fd, uint32(wd))
			delete(in.dirs, wd)
		}
	}
}

// handle goes through what one read returned. The format is that of
// inotify(7): struct inotify_event, name padded with NUL to len.
func (in *inotify) handle(b []byte, look func(string)) error {
	for len(b) >= unix.SizeofInotifyEvent {
		wd := int32(binary.NativeEndian.Uint32(b[0:]))
		bits := binary.NativeEndian.Uint32(b[4:])
		length := int(binary.NativeEndian.Uint32(b[12:]))
		b = b[unix.SizeofInotifyEvent:]
		if length > len(b) {
			return fail(mft.CodeInternal, in.root, errors.New("an event of the kernel is cut short"))
		}
		name := string(bytes.TrimRight(b[:length], "\x00"))
		b = b[length:]
		if err := in.event(wd, bits, name, look); err != nil {
			return err
		}
	}
	return nil
}

func (in *inotify) event(wd int32, bits uint32, name string, look func(string)) error {
	if bits&unix.IN_Q_OVERFLOW != 0 {
		// Events were lost, those of new directories among them.
		if err := in.add(""); err != nil {
			return err
		}
		look("")
		return nil
	}
	dir, known := in.dirs[wd]
	if bits&unix.IN_IGNORED != 0 {
		delete(in.dirs, wd)
		return nil
	}
	if !known || name == "" {
		return nil
	}
	path := join(dir, name)
	if bits&unix.IN_ISDIR == 0 {
		if bits&(unix.IN_CLOSE_WRITE|unix.IN_MOVED_TO) != 0 {
			look(path)
		}
		return nil
	}
	if bits&unix.IN_MOVED_FROM != 0 {
		in.remove(path)
		return nil
	}
	if bits&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0 {
		if err := in.add(path); err != nil {
			return err
		}
		look(path)
	}
	return nil
}
