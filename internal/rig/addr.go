package rig

import (
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
)

// FreeAddr returns a loopback address, HOST:PORT, that nobody listens on and
// that stays free while an agent is down: it is random, in 127.0.0.0/8 on
// Linux, and its port is not one that the kernel gives to outgoing connections.
func FreeAddr() (string, error) {
	var last error
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000))
		if runtime.GOOS == "linux" {
			addr = fmt.Sprintf("127.%d.%d.%d:7420", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250))
		}
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return addr, l.Close()
		}
		last = err
	}
	return "", fmt.Errorf("no free loopback address: %w", last)
}
