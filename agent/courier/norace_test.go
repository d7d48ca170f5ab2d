//go:build !race

package courier_test

const raceEnabled = false
