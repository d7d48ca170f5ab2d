//go:build !windows

package dir

// modesCount says that modes of files hold other users off.
const modesCount = true
