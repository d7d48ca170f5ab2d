package doctor

import (
	"context"
	"fmt"
	"os"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/cmd/mft/depot"
)

// checkExchange looks whether the exchange can be reached and is set up. What
// each right allows tells `mft exchange check`.
func checkExchange(ctx context.Context, cfg *config.Config, env func(string) string) []Finding {
	const what = "exchange"
	if cfg.Exchange == nil {
		return nil
	}
	list := checkClosed(what, cfg.Exchange.Files())
	d, err := depot.Open(cfg, env)
	if err != nil {
		return append(list, bad(what, err))
	}
	defer d.Close()
	for _, note := range d.Notes {
		list = append(list, Finding{Grade: GradeNote, What: what, Says: note})
	}
	if err := d.Ready(ctx); err != nil {
		f := bad(what, err)
		f.Remedy = "run `mft exchange check`, which says what is missing"
		if mft.CodeOf(err) == mft.CodeNotFound {
			f.Remedy = "run `mft exchange setup` as the user of the agent"
		}
		return append(list, f)
	}
	return append(list, good(what, "%s can be reached; `mft exchange check` tries every right", d.Name))
}

// checkClosed looks whether others may read files with secrets.
func checkClosed(what string, files []storage.Path) []Finding {
	var list []Finding
	for _, path := range files {
		info, err := os.Stat(string(path))
		if err != nil || closedTo(info) {
			continue // what cannot be read is reported when it is
		}
		list = append(list, Finding{
			Grade: GradeBad, What: what, Says: fmt.Sprintf("%s can be read by others (mode %04o)", path, info.Mode().Perm()),
			Remedy: "chmod 600 " + string(path) + ", and renew the secret if anybody else has a login here",
		})
	}
	return list
}
