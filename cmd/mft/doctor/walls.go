package doctor

import (
	"fmt"
	"strings"

	"mft.dev/mft/internal/restrict"
)

// checkWalls looks at what confines the agent's processes.
func checkWalls(list []restrict.Report) []Finding {
	var found []Finding
	for _, r := range list {
		what := "walls of " + string(r.Role)
		missing := r.Missing()
		switch {
		case r.Role == restrict.RoleNetwork && r.PID == 0:
			found = append(found, Finding{GradeBad, what, "the process that has the connections to peers does not run", "see the logs of agent and supervisor for why it ends"})
		case len(r.Walls) == 0 && r.Role != restrict.RoleKeys:
			// It is not meant to have any; mft status says so.
		case r.Role == restrict.RoleKeys && r.PID == 0:
			found = append(found, Finding{GradeBad, what, "the process that has the keys does not run", "see the log of the agent for why it ends"})
		case len(missing) == 0:
			found = append(found, good(what, "all are up"))
		default:
			var names, why []string
			for _, f := range missing {
				names = append(names, string(f.Wall))
				why = append(why, fmt.Sprintf("%s: %s", f.Wall, f.Why))
			}
			found = append(found, Finding{
				Grade: GradeNote, What: what, Says: fmt.Sprintf("missing: %s (%s)", strings.Join(names, ", "), strings.Join(why, "; ")),
				Remedy: "a newer kernel has them, unless a container keeps them back; what confines the agent from outside, such as its unit file, stands",
			})
		}
	}
	return found
}
