// Package doctor looks for what keeps files from moving: [Examine] returns a
// list of findings, each with what to do about it.
//
// It reads, asks the agent, and dials; the package refuses to change anything,
// a wrong permission included.
package doctor

import (
	"context"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/exits"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/agent/localapi/route"
	"mft.dev/mft/cmd/mft/progress"
)

// A Grade says how much a finding matters.
type Grade string

const (
	GradeOK   Grade = "ok"
	GradeNote Grade = "note" // nothing is wrong, but it may surprise
	GradeWarn Grade = "warn" // it works now, and may not later
	GradeBad  Grade = "bad"
)

// A Finding is one thing that the doctor looked at.
type Finding struct {
	Grade  Grade  `json:"grade"`
	What   string `json:"what"`
	Says   string `json:"says"`
	Remedy string `json:"remedy,omitempty"`
}

func good(what, format string, args ...any) Finding {
	return Finding{Grade: GradeOK, What: what, Says: fmt.Sprintf(format, args...)}
}

// bad makes a finding of an error.
func bad(what string, err error) Finding {
	p := route.ProblemOf(err)
	return Finding{Grade: GradeBad, What: what, Says: err.Error(), Remedy: p.Remedy}
}

// reported makes a finding of a problem that the agent reports.
func reported(g Grade, what, prefix string, p *localapi.Problem) Finding {
	return Finding{Grade: g, What: what, Says: prefix + progress.Sentence(p.Code, p.Detail), Remedy: p.Remedy}
}

// An Agent tells how it is; *localapi.Client is the way to one.
type Agent interface {
	Status(ctx context.Context) (localapi.Status, error)
}

// A Patient is what is examined.
type Patient struct {
	// Config is what holds for this host; Err says why there is none.
	Config *config.Config
	Err    error
	// Agent may not run.
	Agent Agent
	// Version is that of this program.
	Version string
	// Env looks up variables of the environment: secrets may lie there.
	Env func(string) string
}

// Examine looks at everything, first at what the rest depends on.
func Examine(ctx context.Context, p Patient) []Finding {
	if p.Err != nil {
		return []Finding{bad("configuration", p.Err)}
	}
	cfg, file := p.Config, p.Config.Path
	if file == "" {
		file = "no file; the defaults hold"
	}
	list := []Finding{good("configuration", "%s", file)}
	for _, note := range cfg.Notes {
		list = append(list, Finding{Grade: GradeNote, What: "configuration", Says: note})
	}
	list = append(list, checkDataDir(cfg.Agent.DataDir), checkKeys(cfg.Agent.KeysDir))
	list = append(list, checkExchange(ctx, cfg, p.Env)...)
	list = append(list, checkExits(cfg)...)
	list = append(list, checkTelemetryFiles(cfg)...)
	status, err := p.Agent.Status(ctx)
	if err != nil {
		list = append(list, bad("agent", err), checkPortFree(ctx, "port", cfg.Agent.Listen, "agent.listen"))
		list = append(list, checkRelay(ctx, cfg, nil)...)
		list = append(list, checkSpace(cfg, nil)...)
		return append(list, checkConfiguredPeers(ctx, cfg)...)
	}
	list = append(list, good("agent", "%s, version %s, answers on its socket", status.Name, status.Version))
	list = append(list, checkVersion(status.Version, p.Version)...)
	list = append(list, checkPortOpen(ctx, status.Listen), checkClock(status))
	list = append(list, checkRelay(ctx, cfg, &status)...)
	list = append(list, checkSpace(cfg, status.Peers)...)
	list = append(list, checkPeers(status.Peers)...)
	list = append(list, checkChannels(status.Channels)...)
	list = append(list, checkTelemetry(status.Telemetry)...)
	list = append(list, checkWalls(status.Processes)...)
	return append(list, checkWaiting(status.Waiting)...)
}

// checkExits looks at the commands that this host is to run.
func checkExits(cfg *config.Config) []Finding {
	if len(cfg.Exits) == 0 {
		return nil
	}
	notes, err := exits.Check(cfg.Exits, cfg.Agent.User)
	if err != nil {
		return []Finding{bad("exits", err)}
	}
	found := []Finding{good("exits", "%d can be run", len(cfg.Exits))}
	for _, note := range notes {
		found = append(found, Finding{Grade: GradeNote, What: "exits", Says: note})
	}
	return found
}

func checkVersion(running, own string) []Finding {
	if running == own {
		return nil
	}
	return []Finding{{
		Grade: GradeWarn, What: "version", Says: fmt.Sprintf("the agent is %s, this program is %s", running, own),
		Remedy: "restart the agent so that both are the same",
	}}
}

// checkClock believes the peers: they refuse what is past its time.
func checkClock(status localapi.Status) Finding {
	for _, p := range status.Peers {
		if p.LinkReason != nil && p.LinkReason.Code == mft.CodeExpired {
			return reported(GradeBad, "clock", "peer "+string(p.Name)+": ", p.LinkReason)
		}
	}
	for _, row := range status.Waiting {
		if row.Reason != nil && row.Reason.Code == mft.CodeExpired {
			return reported(GradeBad, "clock", "transfer "+row.ID.String()+": ", row.Reason)
		}
	}
	return good("clock", "no peer finds it wrong")
}

func checkPeers(peers []localapi.Peer) []Finding {
	if len(peers) == 0 {
		return []Finding{{
			Grade: GradeWarn, What: "peers", Says: "none is known, so nothing can move",
			Remedy: "run `mft invite` here and what it prints on the other host",
		}}
	}
	var list []Finding
	for _, p := range peers {
		what := "peer " + string(p.Name)
		switch {
		case p.Link == "up":
			list = append(list, good(what, "connected, and it showed the pinned key"))
		case p.LinkReason != nil:
			list = append(list, reported(GradeBad, what, "", p.LinkReason))
		case p.Address == "":
			list = append(list, Finding{
				Grade: GradeWarn, What: what, Says: "not connected; it has no address here, so it has to dial this host",
				Remedy: "look at `mft doctor` on " + string(p.Name),
			})
		default:
			list = append(list, Finding{Grade: GradeWarn, What: what, Says: "not connected yet to " + p.Address, Remedy: "try again in a minute"})
		}
		if len(p.FilesInto) == 0 && len(p.RequestsFrom) == 0 {
			list = append(list, Finding{
				Grade: GradeNote, What: what,
				Says: fmt.Sprintf("may do nothing on this host; `mft peer allow %s --files-into DIR` lets it send files", p.Name),
			})
		}
	}
	return list
}

// checkConfiguredPeers is all that can be told without an agent.
func checkConfiguredPeers(ctx context.Context, cfg *config.Config) []Finding {
	var list []Finding
	for _, c := range sortedPeers(cfg) {
		what := "peer " + string(c.name)
		if c.address == "" {
			continue
		}
		if err := dial(ctx, c.address); err != nil {
			list = append(list, bad(what, mft.Fail(mft.CodeUnreachable, "dial", c.address, err)))
			continue
		}
		list = append(list, good(what, "%s accepts connections; its key is checked once the agent runs", c.address))
	}
	return list
}

func checkChannels(channels []localapi.ChannelStatus) []Finding {
	var list []Finding
	for _, c := range channels {
		what := "channel " + c.Name
		if c.Problem != nil {
			list = append(list, reported(GradeBad, what, "", c.Problem))
			continue
		}
		list = append(list, good(what, "watches %s by %s", c.From, c.Watching))
	}
	return list
}

// checkWaiting counts the transfers that wait, by reason.
func checkWaiting(rows []localapi.Transfer) []Finding {
	type count struct {
		first localapi.Transfer
		n     int
	}
	byCode := make(map[mft.Code]*count)
	var order []mft.Code
	for _, row := range rows {
		if row.Reason == nil {
			continue
		}
		c := byCode[row.Reason.Code]
		if c == nil {
			c = &count{first: row}
			byCode[row.Reason.Code] = c
			order = append(order, row.Reason.Code)
		}
		c.n++
	}
	var list []Finding
	for _, code := range order {
		c := byCode[code]
		prefix := fmt.Sprintf("%d wait, such as %s: ", c.n, c.first.ID)
		list = append(list, reported(GradeWarn, "transfers", prefix, c.first.Reason))
	}
	return list
}
