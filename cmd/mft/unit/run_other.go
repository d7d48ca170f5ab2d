//go:build !windows

package unit

import (
	"context"
	"io"
)

// Run runs f. Managed is for systems on which a service manager has to start
// another version.
func Run(ctx context.Context, f func(ctx context.Context, managed bool) error) error {
	return f(ctx, false)
}

// Errors returns where an agent writes its log: w.
func Errors(w io.Writer) io.Writer { return w }
