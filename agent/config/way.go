package config

import (
	"errors"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/leaf"
)

// This file has the ways in which files travel.

// compare is a way to compare, by its name.
type compare mft.Compare

func (v *compare) ReadText(s string) error {
	way, err := ParseCompare(s)
	if err != nil {
		return leaf.Cause(err)
	}
	*v = compare(way)
	return nil
}

func (*compare) Schema() map[string]any {
	return map[string]any{"enum": []any{mft.CompareQuick, mft.CompareContent, mft.CompareNone}}
}

// ParseCompare reads a way to compare by its name. The error is an *mft.Error
// of code mft.CodeUsage.
func ParseCompare(s string) (mft.Compare, error) {
	switch way := mft.Compare(strings.ToLower(s)); way {
	case mft.CompareQuick, mft.CompareContent, mft.CompareNone:
		return way, nil
	}
	return "", mft.Fail(mft.CodeUsage, "read way to compare", s, errors.New("want quick, content or none"))
}

// compress is when to compress, by its name.
type compress mft.Compress

func (v *compress) ReadText(s string) error {
	way, err := ParseCompress(s)
	if err != nil {
		return leaf.Cause(err)
	}
	*v = compress(way)
	return nil
}

func (*compress) Schema() map[string]any {
	return map[string]any{"enum": []any{mft.CompressAuto, mft.CompressAlways, mft.CompressNever}}
}

// ParseCompress reads when to compress by its name. The error is an *mft.Error
// of code mft.CodeUsage.
func ParseCompress(s string) (mft.Compress, error) {
	switch way := mft.Compress(strings.ToLower(s)); way {
	case mft.CompressAuto, mft.CompressAlways, mft.CompressNever:
		return way, nil
	}
	return "", mft.Fail(mft.CodeUsage, "read when to compress", s, errors.New("want auto, always or never"))
}

// preserve is one thing that is kept of files, by its name.
type preserve mft.Preserve

func (v *preserve) ReadText(s string) error {
	p, err := mft.ParsePreserve([]string{s})
	if err != nil {
		return leaf.Cause(err)
	}
	*v = preserve(p)
	return nil
}

func (*preserve) Schema() map[string]any {
	return map[string]any{"enum": mft.PreserveAll.Names()}
}

// preserved may be written as the only one.
type preserved []preserve

func (*preserved) Lone() {}

// path is the way to a peer, by its name.
type path mft.Path

func (v *path) ReadText(s string) error {
	way, err := mft.ParsePath(s)
	if err != nil {
		return leaf.Cause(err)
	}
	*v = path(way)
	return nil
}

func (*path) Schema() map[string]any {
	return map[string]any{"enum": []any{mft.PathAuto, mft.PathDirect, mft.PathRelay}}
}
