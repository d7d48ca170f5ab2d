//go:build !linux

package path

import "net"

// Measure knows nothing here.
func Measure(net.Conn) Path { return Path{} }

// Suit leaves the connection as the host makes it.
func Suit(net.Conn) {}

func traffic(net.Conn) (sent, again uint64) { return 0, 0 }
