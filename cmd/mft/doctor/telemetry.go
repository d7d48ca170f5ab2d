package doctor

import (
	"fmt"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/telemetry"
	"mft.dev/mft/cmd/mft/progress"
)

// checkTelemetryFiles looks whether others may read the secrets of telemetry.
func checkTelemetryFiles(cfg *config.Config) []Finding {
	if cfg.Telemetry == nil {
		return nil
	}
	return checkClosed("telemetry", cfg.Telemetry.Files())
}

// checkTelemetry tells which collectors do not get what they should. None of
// that keeps a file from moving.
func checkTelemetry(list []telemetry.Status) []Finding {
	var out []Finding
	for _, t := range list {
		what, waits := "telemetry "+t.Name, fmt.Sprintf("%d events wait", t.Waiting)
		if t.Sums {
			waits = "sums miss nothing"
		}
		switch {
		case t.Code != "":
			grade := GradeWarn
			if t.Code == mft.CodeCollectorRefuses {
				grade = GradeBad
			}
			out = append(out, Finding{
				Grade: grade, What: what, Remedy: t.Code.Remedy(),
				Says: fmt.Sprintf("nothing has arrived at %s since %s, %s: %s",
					t.Endpoint, t.Since.Local().Format(time.DateTime), waits, progress.Sentence(t.Code, t.Detail)),
			})
		case t.Last.IsZero():
			out = append(out, good(what, "nothing sent to %s since the start; %s", t.Endpoint, waits))
		default:
			out = append(out, good(what, "arrives at %s; %s", t.Endpoint, waits))
		}
		if t.Dropped > 0 {
			out = append(out, Finding{
				Grade: GradeWarn, What: what, Says: fmt.Sprintf("%d events were dropped since telemetry was first configured: %s", t.Dropped, t.Dropping),
				Remedy: "the log of the agent says when, and why each time",
			})
		}
	}
	return out
}
