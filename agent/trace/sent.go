package trace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
)

// sentPath finds the transfers that sent a file of this host, or a directory in which it
// lies.
func (t *Tracer) sentPath(ctx context.Context, r *Report, p string) error {
	list, err := t.Journal.Transfers(ctx, journal.Filter{Role: mft.RoleSend, Source: p, Newest: true, Limit: hopsShown + 1})
	if err != nil {
		return err
	}
	for _, row := range list {
		r.add(row, p, landed(row.Destination, t.item(row.Channel, p)), t.version(ctx, row, p))
	}
	recent, err := t.Journal.Transfers(ctx, journal.Filter{Role: mft.RoleSend, Newest: true, Limit: looked})
	if err != nil {
		return err
	}
	if len(recent) == looked {
		r.note(fmt.Sprintf("whether the directory of the file was sent is known of the newest %d transfers", looked))
	}
	for _, row := range recent {
		for _, source := range row.Sources {
			rel, ok := below(filepath.Clean(source), p)
			if !ok {
				continue
			}
			if !strings.HasSuffix(source, "/") {
				rel = path.Join(filepath.Base(source), rel)
			}
			r.add(row, p, landed(strings.TrimSuffix(row.Destination, "/")+"/", rel), "it sent "+source+", where the file lies now; whether it lay there then is not on record")
		}
	}
	return nil
}

// item is the name of a file within a transfer.
func (t *Tracer) item(channel, p string) string {
	if root := t.root(channel); root != "" {
		if rel, ok := below(root, p); ok {
			return rel
		}
	}
	return filepath.Base(p)
}

// version tells whether a channel's transfer sent the file as it lies there now.
func (t *Tracer) version(ctx context.Context, row mft.Transfer, p string) string {
	const named = "the transfer names it"
	rel, ok := below(t.root(row.Channel), p)
	if row.Channel == "" || !ok {
		return named
	}
	last, ok, err := t.Journal.Sent(ctx, row.Channel, rel)
	switch {
	case err != nil || !ok:
		return named + "; the channel sends it again"
	case last.Transfer != row.ID:
		return named + "; a newer version was sent since"
	}
	info, err := os.Lstat(p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return named + "; it is not there any more"
	case err != nil:
		return named + "; the user of the agent cannot look whether it is still there"
	}
	if id := confine.Stamp(info); id.Size != last.Size || id.MTime != last.MTime {
		return named + "; it has changed since it was sent"
	}
	return named + "; it lies there as it was sent"
}

// sentName finds the transfers that sent files of a name, or of the end of a path.
func (t *Tracer) sentName(ctx context.Context, r *Report, name string) error {
	list, err := t.Journal.Transfers(ctx, journal.Filter{Role: mft.RoleSend, Naming: name, Newest: true, Limit: looked})
	if err != nil {
		return err
	}
	for _, row := range list {
		for _, source := range row.Sources {
			if slash := filepath.ToSlash(source); slash == name || strings.HasSuffix(slash, "/"+filepath.ToSlash(name)) {
				r.add(row, source, landed(row.Destination, t.item(row.Channel, source)), t.version(ctx, row, source))
			}
		}
	}
	return nil
}
