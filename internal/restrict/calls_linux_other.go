//go:build linux && !amd64 && !arm64

package restrict

// filters: there is none for these processors.
const filters = false

func calls(_ Policy, r *Report) error {
	r.missing(WallCalls, "%s", noFilters)
	return nil
}
