package trace

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
)

// receivedPath finds the transfers that brought a file to where it lies on this
// host. The journal keeps no list of what came with others, but a delivery is a rename, and
// the system notes when a file was last renamed or changed.
func (t *Tracer) receivedPath(ctx context.Context, r *Report, p string) error {
	list, err := t.Journal.Transfers(ctx, journal.Filter{Role: mft.RoleReceive, Into: p, Newest: true, Limit: looked})
	if err != nil {
		return err
	}
	if len(list) == looked {
		r.note(fmt.Sprintf("only the newest %d transfers to this place were looked at", looked))
	}
	info, gone := os.Lstat(p)
	var since int64 // when it got its name, or changed
	if gone == nil && info.Mode().IsRegular() {
		since = confine.Stamp(info).CTime
	}
	fit, others := 0, 0
	for _, row := range list {
		l, ok, err := t.Journal.Landing(ctx, row.ID)
		if err != nil {
			return err
		}
		rel, within := below(filepath.Join(l.Root, filepath.FromSlash(l.Dir)), p)
		switch {
		case !ok || !within || l.Name != "" && l.Name != rel:
		case l.Name == rel:
			r.add(row, p, place{}, "the transfer was for this name")
		case since > row.Created.UnixNano() && (!row.State.Terminal() || since <= row.Updated.UnixNano()):
			r.add(row, p, place{item: rel}, "the file got its name here, or changed, while the transfer delivered to this place")
			fit++
		default:
			others++
		}
	}
	switch {
	case fit > 1:
		r.note("several transfers delivered to this place at that time; one of them had the file")
	case others > 0 && gone != nil:
		r.note(fmt.Sprintf("the file does not lie there now, so it cannot be told which of %d transfers to this place brought it, if any did", others))
	case others > 0 && len(r.Hops) == 0:
		r.note(fmt.Sprintf("the file was changed or moved since, or came otherwise: none of %d transfers to this place fits", others))
	}
	return nil
}

// receivedName finds the transfers of single files that got a name.
func (t *Tracer) receivedName(ctx context.Context, r *Report, name string) error {
	list, err := t.Journal.Transfers(ctx, journal.Filter{Role: mft.RoleReceive, Named: name, Newest: true, Limit: hopsShown + 1})
	if err != nil {
		return err
	}
	for _, row := range list {
		l, _, err := t.Journal.Landing(ctx, row.ID)
		if err != nil {
			return err
		}
		r.add(row, filepath.Join(l.Root, filepath.FromSlash(l.Dir), l.Name), place{}, "the transfer was for this name")
	}
	if len(r.Hops) == 0 {
		r.note("files that came with others are found by their path on this host, not by their name")
	}
	return nil
}
