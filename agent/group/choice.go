package group

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// A Standing tells how a group stands.
type Standing struct {
	Group mft.ServerGroup
	// Chosen is the member that an operator has chosen, empty for none.
	Chosen mft.AgentName
	// Active is the active member; if there is none Problem says why.
	Active  mft.AgentName
	Problem error
}

// List tells how the groups stand.
func (s *Groups) List(ctx context.Context) (out []Standing, err error) {
	for _, g := range s.c.Groups {
		one := Standing{Group: g}
		if one.Chosen, err = s.chosen(ctx, g); err != nil {
			return nil, err
		}
		one.Active, one.Problem = s.Active(ctx, g.Name)
		out = append(out, one)
	}
	return out, nil
}

// Use makes a member of a group the active one for this host, whatever else would be, until
// Use is called with none. It is in the journal when it returns. Errors: CodeNotFound.
func (s *Groups) Use(ctx context.Context, name, member mft.AgentName) error {
	g, ok := s.Find(name)
	if !ok {
		return mft.Fail(mft.CodeNotFound, "choose the active member of group", string(name), errors.New("no channel that begins at this host has such a group"))
	}
	if member != "" && !slices.Contains(g.Members, member) {
		return mft.Fail(mft.CodeNotFound, "choose the active member of group", string(name), fmt.Errorf("%s is no member; those are %v", member, g.Members))
	}
	return s.c.Journal.Update(ctx, func(tx *journal.Tx) error { return tx.SetChannel(choiceKey(name), []byte(member)) })
}

// chosen returns the member that an operator has chosen, if there is one.
func (s *Groups) chosen(ctx context.Context, g mft.ServerGroup) (mft.AgentName, error) {
	b, err := s.c.Journal.Channel(ctx, choiceKey(g.Name))
	if member := mft.AgentName(b); err == nil && slices.Contains(g.Members, member) {
		return member, nil
	}
	return "", err
}

// choiceKey is where a choice is kept. No channel has such a name.
func choiceKey(name mft.AgentName) string { return "group choice " + string(name) }
