//go:build !linux

package stream

import "net"

// suit leaves the connection as the host makes it.
func suit(net.Conn) {}
