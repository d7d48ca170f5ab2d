package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/depot"
	"mft.dev/mft/cmd/mft/progress"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/internal/confine/filesys"
)

// The looks that the doctor takes at a host that is the relay of others.

const whatRelay = "relay"

// checkRelay looks at what this host serves. status is nil while no agent runs.
func checkRelay(ctx context.Context, cfg *config.Config, status *localapi.Status) []Finding {
	if cfg.Relay == nil {
		return nil
	}
	var list []Finding
	if status == nil {
		list = append(list, checkPortFree(ctx, whatRelay, string(cfg.Relay.Listen), "relay.listen"))
	} else {
		list = append(list, checkRelayAnswers(ctx, cfg))
	}
	list = append(list, checkServedDir(cfg, status != nil))
	list = append(list, checkServedSpace(cfg, status)...)
	return append(list, checkServed(cfg, status)...)
}

// checkRelayAnswers asks whether what listens is the relay of this agent. What it
// shows is looked at and not believed: whoever uses it verifies the key.
func checkRelayAnswers(ctx context.Context, cfg *config.Config) Finding {
	listen := string(cfg.Relay.Listen)
	address, err := here(listen)
	if err != nil {
		return bad(whatRelay, err)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}}}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		f := bad(whatRelay, mft.Fail(mft.CodeUnreachable, "connect to", listen, networkCause(err)))
		f.Remedy = "restart the agent, if relay: was changed since its start; see its log"
		return f
	}
	defer conn.Close() // nothing was said
	shown := ""
	if secure, ok := conn.(*tls.Conn); ok {
		if chain := secure.ConnectionState().PeerCertificates; len(chain) > 0 {
			shown = chain[0].Subject.CommonName
		}
	}
	if shown != string(cfg.Agent.Name) {
		return Finding{
			Grade: GradeBad, What: whatRelay, Says: fmt.Sprintf("what listens on %s shows the certificate of %q, and not that of %s", listen, shown, cfg.Agent.Name),
			Remedy: "end the program that uses the port, or set relay.listen to another",
		}
	}
	return good(whatRelay, "%s answers with the certificate of %s; a firewall may still stop others", listen, shown)
}

func checkServedDir(cfg *config.Config, running bool) Finding {
	const what = "directory of the relay"
	dir := depot.ServedDir(cfg)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && running:
		return Finding{
			Grade: GradeBad, What: what, Says: dir + " is gone, and what was kept in it",
			Remedy: "mount what belongs there, then restart the agent; what is lost the senders send again",
		}
	case errors.Is(err, fs.ErrNotExist):
		return good(what, "%s is not there yet; the agent makes it when it starts", dir)
	case err != nil:
		return Finding{
			Grade: GradeNote, What: what, Says: fmt.Sprintf("this user may not look at %s: %v", dir, filesys.Cause(err)), Remedy: "run mft doctor as the user of the agent",
		}
	case !info.IsDir():
		return bad(what, mft.Fail(mft.CodeWrongType, "look at", dir, errors.New("it is not a directory")))
	}
	if err := writable(dir); err != nil {
		return Finding{
			Grade: GradeBad, What: what, Says: fmt.Sprintf("this user cannot write to %s: %v", dir, err),
			Remedy: "if it is the user of the agent, give it the directory, and see that the file system is not read-only; else run mft doctor as that user",
		}
	}
	if keys, err := os.Stat(cfg.Agent.KeysDir); err == nil && !sameOwner(keys, info) {
		return Finding{
			Grade: GradeBad, What: what, Says: dir + " belongs to another user than the keys of the agent",
			Remedy: "give it to the user of the agent, with what is in it",
		}
	}
	if !closedTo(info) {
		return Finding{
			Grade: GradeWarn, What: what, Says: fmt.Sprintf("%s is open to others (mode %04o)", dir, info.Mode().Perm()), Remedy: "chmod 700 " + dir,
		}
	}
	return good(what, "%s can be written to", dir)
}

// checkServedSpace holds what agents may have against what there is.
func checkServedSpace(cfg *config.Config, status *localapi.Status) []Finding {
	const what = "space of the relay"
	root, err := confine.Open(depot.ServedDir(cfg))
	if err != nil {
		return nil // it is not there, or reported already
	}
	defer root.Close()
	free, err := root.Free("")
	if err != nil {
		return []Finding{bad(what, err)}
	}
	kept, may, total := int64(0), int64(0), int64(cfg.Relay.Total)
	for _, name := range cfg.Relay.Agents {
		may += depot.QuotaOf(cfg.Relay, mft.AgentName(name)).Bytes
	}
	if status != nil {
		for _, h := range status.Relay {
			kept += h.Bytes
		}
	}
	reserve := depot.Reserve(cfg)
	room := max(free.Bytes-reserve, 0)
	more := room
	if total > 0 {
		more = min(room, max(total-kept, 0))
	}
	f := good(what, "%s kept, room for %s more, and %s in reserve", progress.Bytes(kept), progress.Bytes(more), progress.Bytes(reserve))
	switch {
	case room == 0 || free.Inodes == 0:
		f.Grade, f.Remedy = GradeBad, "make room, or start the receivers that do not fetch; senders wait with INSUFFICIENT_SPACE until then"
		f.Says = fmt.Sprintf("%s free, less than the reserve of %s", progress.Bytes(free.Bytes), progress.Bytes(reserve))
	case total > 0 && kept >= total-total/10:
		f.Grade, f.Remedy = GradeWarn, "start the receivers that do not fetch, or raise relay.total; beyond it senders wait with INSUFFICIENT_SPACE"
		f.Says = fmt.Sprintf("%s of %s are kept", progress.Bytes(kept), progress.Bytes(total))
	case room < reserve:
		f.Grade, f.Remedy = GradeWarn, "make room before senders have to wait"
	}
	list := []Finding{f}
	if total > 0 {
		may = min(may, total)
	}
	if may-kept > room {
		list = append(list, Finding{
			Grade: GradeNote, What: what, Says: fmt.Sprintf("agents may have %s together, and there is room for %s; beyond that they wait", progress.Bytes(may), progress.Bytes(kept+room)),
		})
	}
	return list
}

// checkServed looks for agents that are to be served and are no peers.
func checkServed(cfg *config.Config, status *localapi.Status) []Finding {
	peers := map[mft.AgentName]bool{}
	for name := range cfg.Peers {
		peers[name] = true
	}
	if status != nil {
		for _, p := range status.Peers {
			peers[p.Name] = true
		}
	}
	var strangers []string
	for _, name := range cfg.Relay.Agents {
		if !peers[mft.AgentName(name)] {
			strangers = append(strangers, string(name))
		}
	}
	switch {
	case len(strangers) == 0:
		return []Finding{good(whatRelay, "all %d agents that it serves are peers", len(cfg.Relay.Agents))}
	case status == nil:
		return []Finding{{
			Grade: GradeNote, What: whatRelay, Says: strings.Join(strangers, ", ") + ": no peers in the configuration; whether they have paired is told once the agent runs",
		}}
	}
	return []Finding{{
		Grade: GradeBad, What: whatRelay, Says: strings.Join(strangers, ", ") + ": named in relay.agents and no peers, so they are refused",
		Remedy: "run `mft invite` here and what it prints there, or write their pins into peers:, or take them out of relay.agents",
	}}
}
