package doctor

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/cmd/mft/depot"
)

// checkExchange looks whether the exchange can be reached and is set up. What
// each right allows tells `mft exchange check`.
func checkExchange(ctx context.Context, cfg *config.Config, env func(string) string) []Finding {
	const what = "exchange"
	if cfg.Exchange == nil {
		return nil
	}
	d, err := depot.Open(cfg, env)
	if err != nil {
		return []Finding{bad(what, err)}
	}
	defer d.Close()
	var list []Finding
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
