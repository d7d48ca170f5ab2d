package localapi

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi/route"
	"mft.dev/mft/agent/order"
	"mft.dev/mft/agent/pairing"
	"mft.dev/mft/journal"
)

func (s *server) status(r *http.Request) (any, error) {
	st, err := s.agent.Status(r.Context())
	if err != nil {
		return nil, err
	}
	out := Status{
		Name: st.Name, Version: st.Version, Started: st.Started, Listen: st.Listening, Address: st.Address,
		Counts: map[mft.State]int{}, Waiting: transfersOf(st.Waiting), Resident: st.Resident,
		DataDir: s.agent.Config().Agent.DataDir, MaxTransfers: s.agent.Config().Agent.MaxTransfers,
		Notes: s.agent.Config().Notes, Telemetry: st.Telemetry, Processes: st.Processes, Peers: []Peer{}, Channels: []ChannelStatus{},
	}
	if out.Relay, err = s.held(r.Context()); err != nil {
		return nil, err
	}
	for state, n := range st.Counts {
		out.Counts[state] = int(n)
	}
	for _, p := range st.Peers {
		out.Peers = append(out.Peers, peerOf(p))
	}
	for _, c := range st.Channels {
		out.Channels = append(out.Channels, ChannelStatus{
			Name: c.Name, From: c.From, Watching: c.Watching, LastScan: c.LastScan, Settling: c.Settling,
			Problem: route.ProblemOf(c.Problem),
		})
	}
	return out, nil
}

func (s *server) copy(r *http.Request) (any, error) {
	var o CopyOrder
	if err := route.Read(r, &o); err != nil {
		return nil, err
	}
	var to []order.Destination
	for _, d := range o.Destinations {
		to = append(to, order.Destination{
			Agent: d.Agent, Path: string(d.Path), Overwrite: d.Overwrite, Transfer: d.Transfer, Compare: d.Compare, Compress: d.Compress, Preserve: d.Preserve,
			Mirror: d.Mirror.order(),
		})
	}
	placed, err := s.agent.Copy(r.Context(), o.Sources, to)
	if err != nil {
		return nil, err
	}
	out := make([]Placed, len(placed))
	for i, p := range placed {
		out[i] = Placed{Agent: p.Agent, Path: p.Path, Transfer: p.Transfer, Err: route.ProblemOf(p.Err)}
	}
	return out, nil
}

func (s *server) request(r *http.Request) (any, error) {
	var o RequestOrder
	if err := route.Read(r, &o); err != nil {
		return nil, err
	}
	id, err := s.agent.Request(r.Context(), order.Request{
		Agent: o.Agent, Path: string(o.Path), Into: string(o.Into), Overwrite: o.Overwrite, Transfer: o.Transfer, Compare: o.Compare, Compress: o.Compress, Preserve: o.Preserve,
	})
	return requested{Transfer: id}, err
}

// defaultLimit is how many transfers are listed unless a filter says.
const defaultLimit = 1000

func (s *server) transfers(r *http.Request) (any, error) {
	q := r.URL.Query()
	f := journal.Filter{
		Role: mft.Role(q.Get("role")), Peer: mft.AgentName(q.Get("peer")), Channel: q.Get("channel"),
		Limit: defaultLimit, Newest: true,
	}
	for _, state := range q["state"] {
		f.States = append(f.States, mft.State(state))
	}
	if limit := q.Get("limit"); limit != "" {
		n, err := strconv.Atoi(limit)
		if err != nil || n < 1 {
			return nil, mft.Fail(mft.CodeUsage, "list transfers", limit, errors.New("a limit is a number above zero"))
		}
		f.Limit = n
	}
	list, err := s.agent.Transfers(r.Context(), f)
	return transfersOf(list), err
}

func (s *server) transfer(r *http.Request) (any, error) {
	id, err := idOf(r)
	if err != nil {
		return nil, err
	}
	t, rate, err := s.agent.Transfer(r.Context(), id)
	if err != nil {
		return nil, err
	}
	events, err := s.agent.TransferEvents(r.Context(), id)
	if err != nil {
		return nil, err
	}
	exits, err := s.agent.Exits(r.Context(), id)
	if err != nil {
		return nil, err
	}
	out := TransferDetail{Transfer: transferOf(t), Events: make([]Event, len(events)), Exits: make([]Exit, len(exits)), Rate: rate}
	for i, e := range events {
		out.Events[i] = eventOf(e)
	}
	for i, e := range exits {
		out.Exits[i] = exitOf(e)
	}
	return out, nil
}

func (s *server) trace(r *http.Request) (any, error) {
	q := r.URL.Query()
	return s.agent.Tracer.Find(r.Context(), q.Get("what"), !q.Has("here"))
}

func (s *server) act(r *http.Request) (any, error) {
	id, err := idOf(r)
	if err != nil {
		return nil, err
	}
	var t mft.Transfer
	switch what := Action(r.PathValue("what")); what {
	case ActionCancel:
		t, err = s.agent.Cancel(r.Context(), id)
	case ActionPause:
		t, err = s.agent.Pause(r.Context(), id)
	case ActionResume:
		t, err = s.agent.Resume(r.Context(), id)
	case ActionRetry:
		t, err = s.agent.Retry(r.Context(), id)
	default:
		err = mft.Fail(mft.CodeUsage, "act on transfer", string(what), errors.New("it is cancel, pause, resume or retry"))
	}
	return transferOf(t), err
}

func (s *server) invite(r *http.Request) (any, error) {
	var o InviteOrder
	if err := route.Read(r, &o); err != nil {
		return nil, err
	}
	i, err := s.agent.Invite(o.Address, o.grant())
	if err != nil {
		return nil, err
	}
	return Invite{Line: i.Line(), Expires: i.Expires}, nil
}

func (s *server) join(r *http.Request) (any, error) {
	var o JoinOrder
	if err := route.Read(r, &o); err != nil {
		return nil, err
	}
	p, err := s.agent.Join(r.Context(), o.Line, o.grant())
	return peerOf(p), err
}

func (s *server) peers(*http.Request) (any, error) {
	out := []Peer{}
	for _, p := range s.agent.Peers() {
		out = append(out, peerOf(p))
	}
	return out, nil
}

func (s *server) peer(r *http.Request) (any, error) {
	p, err := s.agent.Peer(mft.AgentName(r.PathValue("name")))
	return peerOf(p), err
}

func (g PeerGrant) grant() pairing.Grant {
	return pairing.Grant{FilesInto: g.FilesInto, RequestsRoot: g.RequestsRoot, Delete: g.AllowDelete}
}

func (s *server) removePeer(r *http.Request) (any, error) {
	return struct{}{}, s.agent.RemovePeer(r.Context(), mft.AgentName(r.PathValue("name")))
}

func (s *server) allowPeer(r *http.Request) (any, error) {
	var o PeerGrant
	if err := route.Read(r, &o); err != nil {
		return nil, err
	}
	return struct{}{}, s.agent.AllowPeer(mft.AgentName(r.PathValue("name")), o.grant())
}

func (s *server) keys(*http.Request) (any, error) { return s.ownKeys(), nil }

func (s *server) ownKeys() Keys {
	out := Keys{Name: s.agent.Name(), Keys: []Key{}}
	for _, k := range s.agent.Keys() {
		out.Keys = append(out.Keys, Key{Pin: string(k.Pin), Created: k.Created, Current: k.Current(), Retires: k.Expires})
	}
	return out
}

func (s *server) rotateKey(r *http.Request) (any, error) {
	var o rotation
	if err := route.Read(r, &o); err != nil {
		return nil, err
	}
	overlap, err := time.ParseDuration(o.Overlap)
	if err != nil {
		return nil, mft.Fail(mft.CodeUsage, "read overlap", o.Overlap, errors.New("it is a time like 72h"))
	}
	if err := s.agent.RotateKey(r.Context(), overlap); err != nil {
		return nil, err
	}
	return s.ownKeys(), nil
}
