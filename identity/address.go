package identity

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// CheckAddress checks that s is HOST:PORT as Party.Address may be.
func CheckAddress(s string) error { return checkAddress(s, false) }

// checkAddress checks that s is HOST:PORT: a host name, an IPv4 or a
// bracketed IPv6 address, and a port from 1 to 65535. Without needHost the
// host may be empty.
func checkAddress(s string, needHost bool) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil || len(s) > 280 {
		return errors.New("an address has the form HOST:PORT")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("a port is a number from 1 to 65535")
	}
	if host == "" {
		if needHost {
			return errors.New("the address names no host")
		}
		return nil
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	if len(host) > 253 || strings.ContainsFunc(host, notInHost) || host[0] == '-' {
		return errors.New("a host is a name or an IP address")
	}
	return nil
}

func notInHost(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_'
}
