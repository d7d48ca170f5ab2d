package unit

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"

	"mft.dev/mft"
)

// install makes the service, or changes the one that is there, and starts it.
func install(_ context.Context, w Wanted) error {
	m, err := mgr.Connect()
	if err != nil {
		return windowsFailure("connect to the service control manager", "", err)
	}
	defer m.Disconnect()
	args := []string{"run"}
	if w.Config != "" {
		args = append(args, "--config", w.Config)
	}
	s, err := m.CreateService(w.Name, w.Binary, mgr.Config{
		StartType: mgr.StartAutomatic, DelayedAutoStart: true, ServiceStartName: w.User, SidType: windows.SERVICE_SID_TYPE_UNRESTRICTED,
		DisplayName: "mft agent", Description: "Moves files between hosts (managed file transfer).",
	}, args...)
	if err != nil {
		return windowsFailure("make service", w.Name, err)
	}
	defer s.Close()
	again := mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: 5 * time.Second}
	err = s.SetRecoveryActions([]mgr.RecoveryAction{again, again, again}, 0)
	if err == nil {
		// An agent that is updated ends to be started as the new version.
		err = s.SetRecoveryActionsOnNonCrashFailures(true)
	}
	if err != nil {
		return windowsFailure("have the service started again after a failure", w.Name, err)
	}
	if err := eventlog.InstallAsEventCreate(eventSource, eventlog.Error|eventlog.Warning|eventlog.Info); err != nil {
		_ = eventlog.Remove(eventSource) // it may be there from before
		err = eventlog.InstallAsEventCreate(eventSource, eventlog.Error|eventlog.Warning|eventlog.Info)
		if err != nil {
			return windowsFailure("make the source of events", eventSource, err)
		}
	}
	if err := s.Start(); err != nil {
		return windowsFailure("start service", w.Name, err)
	}
	return nil
}

// uninstall stops and removes the service.
func uninstall(ctx context.Context, name string) error {
	return withService(name, func(s *mgr.Service) error {
		if _, err := s.Control(svc.Stop); err != nil && !errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) {
			return windowsFailure("stop service", name, err)
		}
		again := time.NewTicker(200 * time.Millisecond)
		defer again.Stop()
		for {
			st, err := s.Query()
			if err != nil || st.State == svc.Stopped {
				break
			}
			select {
			case <-ctx.Done():
				return windowsFailure("stop service", name, ctx.Err())
			case <-again.C:
			}
		}
		if err := s.Delete(); err != nil {
			return windowsFailure("remove service", name, err)
		}
		_ = eventlog.Remove(eventSource) // nothing depends on it
		return nil
	})
}

// status says how the service is.
func status(_ context.Context, name string) (map[string]string, error) {
	out := map[string]string{"service": name, "installed": "no"}
	err := withService(name, func(s *mgr.Service) error {
		out["installed"] = "yes"
		st, err := s.Query()
		if err != nil {
			return windowsFailure("ask about service", name, err)
		}
		states := map[svc.State]string{
			svc.Stopped: "stopped", svc.StartPending: "starting", svc.StopPending: "stopping", svc.Running: "running", svc.Paused: "paused",
		}
		out["state"] = states[st.State]
		return nil
	})
	if mft.CodeOf(err) == mft.CodeNotFound {
		err = nil
	}
	return out, err
}

func withService(name string, f func(*mgr.Service) error) error {
	m, err := mgr.Connect()
	if err != nil {
		return windowsFailure("connect to the service control manager", "", err)
	}
	defer m.Disconnect()
	s, err := m.OpenService(name)
	if err != nil {
		return windowsFailure("open service", name, err)
	}
	defer s.Close()
	return f(s)
}

func windowsFailure(op, subject string, err error) error {
	code := mft.CodeOther
	switch {
	case errors.Is(err, windows.ERROR_ACCESS_DENIED):
		code = mft.CodePermission
	case errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST):
		code = mft.CodeNotFound
	case errors.Is(err, windows.ERROR_SERVICE_EXISTS):
		code = mft.CodeExists
	}
	return mft.Fail(code, op, subject, err)
}
