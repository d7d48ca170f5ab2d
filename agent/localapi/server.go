package localapi

import (
	"context"
	"net/http"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent"
	"mft.dev/mft/agent/applied"
	"mft.dev/mft/agent/localapi/channel"
	"mft.dev/mft/agent/localapi/route"
	"mft.dev/mft/agent/localapi/socket"
	relay "mft.dev/mft/exchange/relay/server"
)

// A server answers orders to one agent.
type server struct {
	agent *agent.Agent
	held  func(context.Context) ([]relay.Held, error) // see Serve
}

// Listen makes the socket at path, see socket.Listen.
func Listen(path, group string) (*socket.Listener, error) { return socket.Listen(path, group) }

// Serve answers on ln until ctx ends, see route.Serve. It may begin before a.Run
// and should end with it. Held says what the agent keeps for others, as a relay.
func Serve(ctx context.Context, ln *socket.Listener, a *agent.Agent, held func(context.Context) ([]relay.Held, error)) error {
	s := &server{a, held}
	return route.Serve(ctx, ln, s.routes(), channel.Routes(channel.Desk{
		Channels: a.Channels(), View: &a.View, Applied: applied.Of(a.Config()), Canaries: a.Canaries(), Knows: a.Knows, Now: time.Now,
	}))
}

func (s *server) routes() route.Routes {
	return route.Routes{
		"GET /v1/status":                 route.Answer(s.status),
		"POST /v1/copy":                  route.Answer(s.copy),
		"POST /v1/request":               route.Answer(s.request),
		"GET /v1/transfers":              route.Answer(s.transfers),
		"GET /v1/transfers/{id}":         route.Answer(s.transfer),
		"POST /v1/transfers/{id}/{what}": route.Answer(s.act),
		"POST /v1/invites":               route.Answer(s.invite),
		"POST /v1/join":                  route.Answer(s.join),
		"GET /v1/peers":                  route.Answer(s.peers),
		"GET /v1/peers/{name}":           route.Answer(s.peer),
		"DELETE /v1/peers/{name}":        route.Answer(s.removePeer),
		"POST /v1/peers/{name}/allow":    route.Answer(s.allowPeer),
		"GET /v1/keys":                   route.Answer(s.keys),
		"POST /v1/keys/rotate":           route.Answer(s.rotateKey),
		"GET /v1/trace":                  route.Answer(s.trace),
		"GET /v1/watch":                  route.Stream(s.watch),
		"GET /v1/events":                 route.Stream(s.events),
	}
}

func idOf(r *http.Request) (mft.TransferID, error) { return mft.ParseTransferID(r.PathValue("id")) }
