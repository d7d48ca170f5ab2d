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

func (w *Watcher) run(ctx context.Context, look func(string)) error {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		if errors.Is(err, unix.EMFILE) {
			err = fmt.Errorf("the limit fs.inotify.max_user_instances is reached: %w", err)
		}
		return fail(mft.CodeOther, w.root, err)
	}
	in := &inotify{Watcher: w, file: os.NewFile(uintptr(fd), "inotify"), fd: fd, dirs: map[int32]string{}}
	defer in.file.Close()
	stop := context.AfterFunc(ctx, func() { _ = in.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := in.add(""); err != nil {
		return err
	}
	if len(in.dirs) == 0 {
		return fail(mft.CodeNotFound, w.root, nil)
	}
	look("")
	buf := make([]byte, 64<<10)
	for {
		n, err := in.file.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fail(mft.CodeIO, w.root, err)
		}
		if err := in.handle(buf[:n], look); err != nil {
			return err
		}
		if len(in.dirs) == 0 {
			return fail(mft.CodeNotFound, w.root, nil)
		}
	}
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
