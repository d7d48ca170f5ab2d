//go:build !linux

package agent

import "runtime"

// resident returns about how much memory the process holds, in bytes: what the
// runtime has taken and not given back.
func resident() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys - m.HeapReleased)
}
