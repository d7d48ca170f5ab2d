package unit

import (
	"context"
	"io"
)

func Run(ctx context.Context, f func(ctx context.Context, managed bool) error) error {
	return f(ctx, false)
}
func Errors(w io.Writer) io.Writer { return w }
