package config

import (
	"encoding/json"

	"mft.dev/mft/agent/config/strict"
)

// Schema returns the JSON Schema (draft 2020-12) of the file, which is also
// docs/mft.schema.json. It is made of the types that read the file, so the
// two cannot disagree about a key.
func Schema() []byte {
	s := map[string]any{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"$id":         "https://mft.dev/mft.schema.json",
		"title":       "mft.yaml",
		"description": "What one host's mft agent is told. A file whose only section is config is azure-mft's.",
		"if":          map[string]any{"required": []string{"config"}},
		"then":        strict.Describe[azureFile](),
		"else":        strict.Describe[file](),
	}
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil // strings, numbers and maps of them always marshal
	}
	return append(out, '\n')
}
