//go:build !linux

package sandbox

import (
	"errors"
	"os"

	"mft.dev/mft/internal/restrict"
)

// acts: on other systems there are no walls, and nothing is tried.
func acts() [][]act { return nil }

func try(a act, _ place) Result { return Result{Act: a.name} }

func prepare() (place, func(), error) {
	return place{}, nil, errors.New("there are no walls on this system")
}

func unprivileged() *restrict.User { return nil }

func self() string { return os.Args[0] }
