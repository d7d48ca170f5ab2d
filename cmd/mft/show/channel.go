package show

import (
	"fmt"
	"io"
	"time"

	"mft.dev/mft/agent/localapi"
)

// Channels prints channels as a table.
func Channels(w io.Writer, list []localapi.ChannelStatus, now time.Time) {
	if len(list) == 0 {
		fmt.Fprintln(w, "no channels begin at this host")
		return
	}
	Table(w, func(w io.Writer) {
		fmt.Fprintln(w, "NAME\tFROM\tFIRES BY\tSOURCE")
		for _, c := range list {
			statusChannel(w, c, now)
			fmt.Fprintln(w)
		}
	})
}
