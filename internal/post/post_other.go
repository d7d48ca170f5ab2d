//go:build !linux

package post

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// Pair fails here.
func Pair() (*Conn, *os.File, error) { return nil, nil, errors.ErrUnsupported }

// Files fails here.
func Files() (one, other *os.File, err error) { return nil, nil, errors.ErrUnsupported }

// Open fails here.
func Open(f *os.File) (*Conn, error) { return nil, errors.Join(errors.ErrUnsupported, f.Close()) }

// Dialled fails here.
func Dialled(f *os.File) (net.Conn, error) { return nil, errors.Join(errors.ErrUnsupported, f.Close()) }

func sendFile(*net.UnixConn, []byte, syscall.Conn) (int, error) { return 0, errors.ErrUnsupported }

func receive(*net.UnixConn, []byte) (int, []int, error) { return 0, nil, errors.ErrUnsupported }
