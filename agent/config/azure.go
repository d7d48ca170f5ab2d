package config

import (
	"fmt"
	"log/slog"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/collector"
	"mft.dev/mft/agent/config/command"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/storage"
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
	cfg.Exchange, cfg.Telemetry = f.Config.exchange(&cfg), f.Config.telemetry(&cfg)
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
	exits, notes := command.OfAzure(f.Config.Exits)
	cfg.Exits, cfg.Notes = exits, append(cfg.Notes, notes...)
	if err := d.Err(); err != nil {
		return nil, err
	}
	return &cfg, nil
}

// exchange is the storage account that the file names, reached as azure-mft
// did: with the key if there is one, else as this machine.
func (s *azureSection) exchange(cfg *Config) *storage.Exchange {
	a := &storage.Azure{Account: storage.Word(s.MFT.Account)}
	set(&a.Account, storage.Word(s.Azure.Name))
	if a.Account == "" {
		if s.Azure.Key.text != "" {
			cfg.Notes = append(cfg.Notes, "account_key has no meaning without account_name, and is a secret in a file: take it out")
		}
		return nil
	}
	a.Credential.ManagedIdentity = &storage.ManagedIdentity{}
	if s.Azure.Key.text != "" {
		key := storage.Inline(s.Azure.Key.text, azureKeyVariable)
		a.Credential = storage.Credential{AccountKey: &key}
		cfg.Notes = append(cfg.Notes, "account_key is a secret in a file, and opens the whole storage account; "+
			"in mft's own format `exchange:` takes a managed identity, or says in which file or variable a secret lies")
	}
	cfg.Notes = append(cfg.Notes, "the storage account is the exchange for peers that cannot be reached directly; "+
		"agents of azure-mft are not understood there. Run `mft exchange setup` once")
	return &storage.Exchange{Azure: a}
}

// telemetry is the resource of Application Insights that the file names.
func (s *azureSection) telemetry(cfg *Config) *collector.Telemetry {
	name, key := "app_insights_key", s.AppInsightsKey.text
	if key == "" {
		name, key = "instrumentation_key", s.Azure.Insights.text
	}
	if key == "" {
		return nil
	}
	to, err := collector.ParseConnection(key)
	if err != nil {
		cfg.Notes = append(cfg.Notes, fmt.Sprintf("%s is of no use: it has %v. Nothing is sent to Application Insights", name, err))
		return nil
	}
	cfg.Notes = append(cfg.Notes, fmt.Sprintf("%s: the events of transfers go to Application Insights at %s; in mft's own format "+
		"`telemetry:` says in which file or variable the connection string lies", name, to.Ingestion))
	return &collector.Telemetry{Insights: &collector.Insights{Connection: storage.Inline(key, collector.ConnectionVariable)}}
}

// azureKeyVariable is where mft's own format would look for the key, when the
// file is shown in its words.
const azureKeyVariable = "MFT_STORAGE_KEY"

// azureKey is a key that stands in azure-mft's file. It cannot be printed by
// mistake.
type azureKey struct{ text string }

func (v *azureKey) ReadText(s string) error {
	v.text = s
	return nil
}

func (*azureKey) Schema() map[string]any { return map[string]any{"type": "string"} }

func grants(names []leaf.AzureName, key string, cfg *Config) []mft.Grant {
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
