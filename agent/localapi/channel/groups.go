package channel

import (
	"context"
	"net/http"
	"net/url"

	"mft.dev/mft"
	"mft.dev/mft/agent/group"
	"mft.dev/mft/agent/localapi/route"
)

// A Group tells how a server group stands.
type Group struct {
	Name    mft.AgentName   `json:"name"`
	Members []mft.AgentName `json:"members"`
	By      mft.Activity    `json:"by"`
	// Chosen is who an operator has chosen, empty for nobody.
	Chosen mft.AgentName `json:"chosen,omitempty"`
	// Active is who is active; Problem says why nobody is.
	Active  mft.AgentName  `json:"active,omitempty"`
	Problem *route.Problem `json:"problem,omitempty"`
}

// A Choice is the member that is to be the active one, empty for whoever is found.
type Choice struct {
	Member mft.AgentName `json:"member"`
}

func (d *desk) groups(r *http.Request) (any, error) {
	list, err := d.Channels.Groups().List(r.Context())
	out := []Group{}
	for _, s := range list {
		out = append(out, groupOf(s))
	}
	return out, err
}

func groupOf(s group.Standing) Group {
	return Group{Name: s.Group.Name, Members: s.Group.Members, By: s.Group.Active, Chosen: s.Chosen, Active: s.Active, Problem: route.ProblemOf(s.Problem)}
}

func (d *desk) use(r *http.Request) (any, error) {
	var c Choice
	if err := route.Read(r, &c); err != nil {
		return nil, err
	}
	if err := d.Channels.Groups().Use(r.Context(), mft.AgentName(r.PathValue("name")), c.Member); err != nil {
		return nil, err
	}
	return d.groups(r)
}

// Groups returns the server groups of channels that begin at the agent's host.
func (c Client) Groups(ctx context.Context) ([]Group, error) {
	return route.Get[[]Group](ctx, c.Client, "/v1/groups")
}

// Use chooses the active member of a group, and returns how all groups stand then.
func (c Client) Use(ctx context.Context, name string, choice Choice) ([]Group, error) {
	return route.Post[[]Group](ctx, c.Client, "/v1/groups/"+url.PathEscape(name)+"/use", choice)
}
