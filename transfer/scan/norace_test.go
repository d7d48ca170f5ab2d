//go:build !race

package scan_test

// raceDetector says whether the tests run under it.
const raceDetector = false
