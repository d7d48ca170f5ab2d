//go:build !linux

package resident

import "runtime"

// What the runtime has taken and not given back is about what is resident.
func read() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys - m.HeapReleased)
}
