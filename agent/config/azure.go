package config

import (
	"fmt"
	"log/slog"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/strict"
)

// config makes of azure-mft's file what it means here. Its allow lists name
// agents only: whoever is on one may reach whatever the service user may.
func (f *azureFile) config(d *strict.Decoder, defaults *Config) (*Config, error) {
	cfg := *defaults
	set(&cfg.Agent.Name, mft.AgentName(f.Config.Agent.Name))
	set(&cfg.Agent.LogLevel, slog.Level(f.Config.Agent.LogLevel))
	cfg.Notes = append(cfg.Notes, "this file is in the words of azure-mft; docs/mft.schema.json has those of mft")
	for _, m := range d.Overlooked() {
		cfg.Notes = append(cfg.Notes, fmt.Sprintf("line %d: %s: %s", m.Line, m.Key, m.What))
	}
	cfg.Allow.FilesFrom = grants(f.Config.FilesFrom, "allow_files_from", &cfg)
	cfg.Allow.RequestsFrom = grants(f.Config.RequestsFrom, "allow_requests_from", &cfg)
	if len(cfg.Allow.FilesFrom) > 0 {
		cfg.Notes = append(cfg.Notes, "allow_files_from lets those agents write wherever the user of this service may; "+
			"allow.files_from with `into: DIRECTORY` confines each of them")
	}
	if len(cfg.Allow.RequestsFrom) > 0 {
		cfg.Notes = append(cfg.Notes, "allow_requests_from lets those agents ask for whatever the user of this service may read; "+
			"allow.requests_from with `root: DIRECTORY` confines each of them")
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	return &cfg, nil
}

func grants(names []azureName, key string, cfg *Config) []mft.Grant {
	var out []mft.Grant
	for _, s := range names {
		name, err := mft.ParseAgentName(string(s))
		if err != nil {
			cfg.Notes = append(cfg.Notes, fmt.Sprintf("%s: %s is no legal agent name, no agent can have it: it allows nothing", key, strict.Clip(string(s))))
			continue
		}
		out = append(out, mft.Grant{Agent: name, Root: "/"})
	}
	return out
}
