package unit

import (
	"context"
	"errors"
	"io"
	"strings"

	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"

	"mft.dev/mft"
)

// Run runs f, as a service when the service control manager has started this
// process: then f runs until it is told to stop, and managed is true.
func Run(ctx context.Context, f func(ctx context.Context, managed bool) error) error {
	is, err := svc.IsWindowsService()
	if err != nil {
		return mft.Fail(mft.CodeOther, "ask whether this is a service", "", err)
	}
	if !is {
		return f(ctx, false)
	}
	s := &served{ctx: ctx, f: f}
	if err := svc.Run("", s); err != nil {
		return mft.Fail(mft.CodeOther, "run as a service", "", err)
	}
	return s.err
}

// served is the agent as the service control manager sees it.
type served struct {
	ctx context.Context // of the process; svc.Handler has none
	f   func(ctx context.Context, managed bool) error
	err error
}

// failedStatus is the exit code after which the service is started again.
const failedStatus = 1

// Execute implements svc.Handler.
func (s *served) Execute(_ []string, requests <-chan svc.ChangeRequest, state chan<- svc.Status) (specific bool, code uint32) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.f(ctx, true) }()
	const accepts = svc.AcceptStop | svc.AcceptShutdown
	state <- svc.Status{State: svc.Running, Accepts: accepts}
	for {
		select {
		case s.err = <-ended:
			if s.err != nil {
				return true, failedStatus
			}
			return false, 0
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				state <- r.CurrentStatus
			case svc.Stop, svc.Shutdown:
				state <- svc.Status{State: svc.StopPending}
				cancel()
			}
		}
	}
}

// Errors returns where an agent writes its log: the event log when it is a
// service, for it has no other place, else w.
func Errors(w io.Writer) io.Writer {
	if is, err := svc.IsWindowsService(); err != nil || !is {
		return w
	}
	log, err := eventlog.Open(eventSource)
	if err != nil {
		return w
	}
	return eventWriter{log}
}

// eventSource is under what name events are written.
const eventSource = "mft"

// An eventWriter makes an event of each line.
type eventWriter struct{ log *eventlog.Log }

// Write implements io.Writer.
func (e eventWriter) Write(b []byte) (int, error) {
	const id = 1
	text := strings.TrimSpace(string(b))
	var err error
	switch {
	case strings.Contains(text, "level=ERROR"), strings.Contains(text, `"level":"ERROR"`):
		err = e.log.Error(id, text)
	case strings.Contains(text, "level=WARN"), strings.Contains(text, `"level":"WARN"`):
		err = e.log.Warning(id, text)
	default:
		err = e.log.Info(id, text)
	}
	return len(b), errors.Join(err)
}
