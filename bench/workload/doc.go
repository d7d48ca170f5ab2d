// Package workload is the list of what is measured: for each row of the
// benchmark what lies at the source, what changes between the rounds, and who
// takes part.
//
//	for _, w := range workload.All() {
//		err := w.Make(dir, scale)
//		…
//	}
//
// The sizes are those of the requirement; a scale makes them smaller. The
// package refuses to run anything but the changes themselves.
package workload
