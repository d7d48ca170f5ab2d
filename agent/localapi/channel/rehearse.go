package channel

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi/opaque"
	"mft.dev/mft/agent/localapi/route"
	"mft.dev/mft/agent/rehearsal"
)

// A Rehearsal is what a run of a channel would do now at one of its destinations.
type Rehearsal struct {
	Agent mft.AgentName `json:"agent"`
	Path  string        `json:"path"`
	// Findings are by verdict, those first that would change something.
	Findings []Finding `json:"findings"`
	// Refused is why a mirror would remove nothing of what it would have to remove.
	Refused *route.Problem `json:"refused,omitempty"`
	// Problem is why not everything could be looked at.
	Problem *route.Problem `json:"problem,omitempty"`
}

// A Finding is what would become of so many files, links and directories, and the first
// of them.
type Finding struct {
	Verdict rehearsal.Verdict `json:"verdict"`
	Items   int64             `json:"items"`
	Bytes   int64             `json:"bytes"`
	First   []Found           `json:"first"`
}

// A Found is one of them. What is removed counts what is below it as well.
type Found struct {
	Path    opaque.String  `json:"path"` // below the source and the destination
	Dir     bool           `json:"directory,omitempty"`
	Items   int64          `json:"items"`
	Bytes   int64          `json:"bytes"`
	Problem *route.Problem `json:"problem,omitempty"`
}

// Rehearse says what a run would do now at each destination; most is how many are named
// for each verdict.
func (c Client) Rehearse(ctx context.Context, channel string, most int) ([]Rehearsal, error) {
	q := url.Values{"most": {strconv.Itoa(most)}}
	return route.Get[[]Rehearsal](ctx, c.Client, path(channel, "/rehearsal?"+q.Encode()))
}

func (d *desk) rehearse(r *http.Request) (any, error) {
	most, err := strconv.Atoi(r.URL.Query().Get("most"))
	if err != nil || most < 0 || most > namedAtMost {
		return nil, mft.Fail(mft.CodeUsage, "rehearse channel", r.URL.Query().Get("most"), errors.New("how many files are named for each verdict is a number from 0 to 1000"))
	}
	sums := map[int]map[rehearsal.Verdict]*Finding{}
	ends, err := d.Channels.Rehearse(r.Context(), r.PathValue("name"), func(to int, f rehearsal.Finding) {
		if sums[to] == nil {
			sums[to] = map[rehearsal.Verdict]*Finding{}
		}
		sum := sums[to][f.Verdict]
		if sum == nil {
			sum = &Finding{Verdict: f.Verdict, First: []Found{}}
			sums[to][f.Verdict] = sum
		}
		sum.Items, sum.Bytes = sum.Items+f.Items, sum.Bytes+f.Bytes
		if len(sum.First) < most && (f.Path != "" || f.Dir) {
			sum.First = append(sum.First, Found{Path: opaque.String(f.Path), Dir: f.Dir, Items: f.Items, Bytes: f.Bytes, Problem: route.ProblemOf(f.Err)})
		}
	})
	out := make([]Rehearsal, 0, len(ends))
	for i, e := range ends {
		one := Rehearsal{Agent: e.Agent, Path: e.To.Path, Findings: []Finding{}, Refused: route.ProblemOf(e.Refused), Problem: route.ProblemOf(e.Err)}
		for _, v := range rehearsal.Verdicts() {
			if sum := sums[i][v]; sum != nil {
				one.Findings = append(one.Findings, *sum)
			}
		}
		out = append(out, one)
	}
	return out, err
}
