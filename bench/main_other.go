//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: measures on Linux only: it reads /proc and makes network namespaces")
	os.Exit(1)
}
