//go:build !linux

package xattr

import (
	"errors"
	"os"
)

// Supported says that this system has extended attributes.
const Supported = false

// Names returns the names of the attributes of a file, in no order.
func Names(*os.File) ([]string, error) { return nil, errors.ErrUnsupported }

// Get returns the value of an attribute, and whether there is one.
func Get(*os.File, string) ([]byte, bool, error) { return nil, false, errors.ErrUnsupported }

// Set gives an attribute a value.
func Set(*os.File, string, []byte) error { return errors.ErrUnsupported }

// Remove removes an attribute. It is no error when there is none.
func Remove(*os.File, string) error { return errors.ErrUnsupported }
