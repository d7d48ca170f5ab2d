//go:build !windows

package durable

import (
	"errors"
	"fmt"
	"os"
)

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening a directory to flush it: %w", err)
	}
	if err := d.Sync(); err != nil {
		return errors.Join(fmt.Errorf("flushing a directory: %w", err), d.Close())
	}
	if err := d.Close(); err != nil {
		return fmt.Errorf("closing a flushed directory: %w", err)
	}
	return nil
}
