//go:build linux && !amd64 && !arm64

package restrict

func calls(_ Policy, r *Report) error {
	r.missing(WallCalls, "mft has no filter of system calls for this processor")
	return nil
}
