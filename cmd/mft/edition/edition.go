// Package edition says which version of mft this program is.
//
//	go build -ldflags "-X mft.dev/mft/cmd/mft/edition.stamped=1.4.0" ./cmd/mft
//
// makes a release. A build without that says the version of the module, if it
// knows one. The package refuses to guess more.
package edition

import (
	"runtime"
	"runtime/debug"

	"mft.dev/mft/protocol"
)

// release is what a build says that was not made from a tagged module.
const release = "0.1.0"

// stamped is the version of a release: go build -ldflags "-X mft.dev/mft/cmd/mft/edition.stamped=1.4.0".
var stamped string

// An Info is what `mft version --json` prints.
type Info struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // commit, where the build knows it
	Protocol int    `json:"protocol"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// This returns what is known of the program that runs.
func This() Info {
	v := Info{
		Version: release, Protocol: protocol.Version,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	if stamped != "" {
		v.Version = stamped
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			v.Revision = setting.Value
		}
	}
	return v
}
