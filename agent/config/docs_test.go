package config

import (
	"os"
	"strings"
	"testing"
)

// TestDocumentedConfigurations reads every configuration that the pages show.
func TestDocumentedConfigurations(t *testing.T) {
	for _, page := range []string{"../../README.md", "../../docs/exchange.md", "../../docs/exits.md", "../../docs/channels.md"} {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for i, rest := range strings.Split(string(content), "```yaml\n")[1:] {
			text, _, _ := strings.Cut(rest, "```")
			n++
			cfg, err := read([]byte(text), defaults())
			if err != nil {
				t.Errorf("%s, configuration %d: %v\n%s", page, i+1, err, text)
				continue
			}
			if err := conforms(t, text); err != nil {
				t.Errorf("%s, configuration %d: the schema refuses it: %v", page, i+1, err)
			}
			if len(cfg.Notes) > 0 {
				t.Errorf("%s, configuration %d: %q", page, i+1, cfg.Notes)
			}
		}
		if n == 0 {
			t.Errorf("%s shows no configuration", page)
		}
	}
}
