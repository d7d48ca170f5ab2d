//go:build !windows

package unit

import (
	"context"
	"errors"

	"mft.dev/mft"
)

func install(context.Context, Wanted) error { return notWindows() }

func uninstall(context.Context, string) error { return notWindows() }

func status(context.Context, string) (map[string]string, error) { return nil, notWindows() }

// notWindows is never met: systemd is used on this system.
func notWindows() error {
	return mft.Fail(mft.CodeInternal, "talk to the service control manager", "", errors.New("this is not Windows"))
}
