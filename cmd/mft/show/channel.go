package show

import (
	"fmt"
	"io"
	"time"

	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/progress"
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

// Runs prints when runs began and ended.
func Runs(w io.Writer, events []localapi.Event) {
	if len(events) == 0 {
		fmt.Fprintln(w, "no runs")
		return
	}
	Table(w, func(w io.Writer) {
		for _, e := range events {
			fmt.Fprintf(w, "%s\t%s\t%s", e.Time.Local().Format(stamp), e.Kind, progress.OneLine(e.Detail))
			if !e.Code.OK() && e.Code != "" {
				fmt.Fprintf(w, " [%s]", e.Code)
			}
			fmt.Fprintln(w)
		}
	})
}
