//go:build linux && !amd64

package e2e

import "errors"

// canTrace is false where the registers of a system call have another shape.
const canTrace = false

var errNoTracer = errors.New("the tracer knows the registers of amd64 only")

func trace(tracing, []string) (int, error) { return 0, errNoTracer }

func becomeFiltered([]string) error { return errNoTracer }
