package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/protocol"
)

// release is what a build says that was not made from a tagged module.
const release = "0.1.0"

// A versionInfo is what `mft version --json` prints.
type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // commit, where the build knows it
	Protocol int    `json:"protocol"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func thisVersion() versionInfo {
	v := versionInfo{
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
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			v.Revision = setting.Value
		}
	}
	return v
}

func newVersion(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  argument.Takes(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			v := thisVersion()
			return s.print(v, func() {
				s.printf("mft %s\nprotocol %d\n%s %s\n", v.Version, v.Protocol, v.Go, v.Platform)
				if v.Revision != "" {
					s.printf("revision %s\n", v.Revision)
				}
			})
		},
	}
}
