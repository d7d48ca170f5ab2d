package collector

import (
	"errors"
	"net/url"
	"strings"

	"mft.dev/mft/agent/config/storage"
)

// ConnectionVariable is where the programs of Azure look for a connection
// string, and where mft's own format would have the key that stands in a file
// of azure-mft.
const ConnectionVariable storage.Variable = "APPLICATIONINSIGHTS_CONNECTION_STRING"

// maxConnection is the longest connection string that Azure has, in bytes.
const maxConnection = 4096

// A Connection is what a connection string of Application Insights says.
type Connection struct {
	// Key is the instrumentation key, a UUID: which resource is written to.
	Key string
	// Ingestion is the URL of what takes telemetry, without a slash at its end.
	Ingestion string
}

// publicIngestion takes telemetry of keys that come without an endpoint.
const publicIngestion = "https://dc.services.visualstudio.com"

var (
	errNoKey     = errors.New("no instrumentation key, which is a UUID such as 00000000-0000-0000-0000-000000000000")
	errTooLong   = errors.New("more than 4096 bytes, which no connection string has")
	errEndpoint  = errors.New("IngestionEndpoint or EndpointSuffix leads to no host by https")
	errAuthorize = errors.New("an Authorization other than ikey, which mft does not know")
)

// ParseConnection reads a connection string as Azure shows it (Key=Value;…), or
// an instrumentation key alone. Errors do not repeat it. The format is that of
// Azure Monitor: IngestionEndpoint goes before EndpointSuffix with Location, and
// keys that nobody knows are read over.
func ParseConnection(text string) (Connection, error) {
	text = strings.TrimSpace(text)
	if len(text) > maxConnection {
		return Connection{}, errTooLong
	}
	if !strings.Contains(text, "=") {
		text = "InstrumentationKey=" + text
	}
	parts := map[string]string{}
	for pair := range strings.SplitSeq(text, ";") {
		name, value, _ := strings.Cut(pair, "=")
		parts[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
	}
	c := Connection{Key: strings.ToLower(parts["instrumentationkey"]), Ingestion: parts["ingestionendpoint"]}
	if !isUUID(c.Key) {
		return Connection{}, errNoKey
	}
	if how := parts["authorization"]; how != "" && !strings.EqualFold(how, "ikey") {
		return Connection{}, errAuthorize
	}
	if suffix := strings.Trim(parts["endpointsuffix"], "."); c.Ingestion == "" && suffix != "" {
		c.Ingestion = "https://dc." + suffix
		if where := strings.Trim(parts["location"], "."); where != "" {
			c.Ingestion = "https://" + where + ".dc." + suffix
		}
	}
	if c.Ingestion == "" {
		c.Ingestion = publicIngestion
	}
	c.Ingestion = strings.TrimRight(c.Ingestion, "/")
	if !leads(c.Ingestion) {
		return Connection{}, errEndpoint
	}
	return c, nil
}

// leads reports whether telemetry may go to endpoint: by https, or to this
// host, which is for tests and forwarders.
func leads(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && storage.URL(endpoint).Local()
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch dash := i == 8 || i == 13 || i == 18 || i == 23; {
		case dash != (s[i] == '-'), !dash && !strings.Contains("0123456789abcdef", s[i:i+1]):
			return false
		}
	}
	return true
}
