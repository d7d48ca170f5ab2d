package mft_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "mft.dev/mft"

// A layer of the house. Imports go down: to a lower layer, or to a package
// below the importing one in the tree.
const (
	layerRoot      = iota // the nouns
	layerPlumbing         // internal
	layerRecords          // bytes, keys, durable state, pure decisions
	layerMechanism        // what roles share
	layerRole             // who acts
	layerCommand          // where roles meet
	layerOutside          // tests of the whole, measurements
)

// A house rule says where a package stands and what it may import: packages of
// ours by their path below the module ("." is the root), others by the
// beginning of their path.
type houseRule struct {
	layer int
	may   []string
}

// house is the table of DESIGN §2 and docs/design/001-foundation.md. To add an
// import is to change the design: say in the commit why it has to be.
var house = map[string]houseRule{
	".": {layerRoot, nil},

	"internal/confine": {layerPlumbing, []string{".", "internal/confine/beneath", "internal/confine/filesys"}},
	"internal/confine/beneath": {layerPlumbing, []string{
		".", "internal/confine/entries", "internal/confine/filesys", "golang.org/x/sys",
	}},
	"internal/confine/entries": {layerPlumbing, []string{".", "internal/confine/filesys", "golang.org/x/sys"}},
	"internal/confine/filesys": {layerPlumbing, []string{".", "golang.org/x/sys"}},
	"internal/blake3":          {layerPlumbing, []string{"github.com/zeebo/blake3", "golang.org/x/sys"}},
	"internal/ring":            {layerPlumbing, nil},
	"internal/siphash":         {layerPlumbing, nil},
	"internal/durable":         {layerPlumbing, []string{".", "internal/confine/filesys"}},
	"internal/resident":        {layerPlumbing, nil},
	"internal/plain":           {layerPlumbing, nil},
	"internal/post":            {layerPlumbing, []string{"golang.org/x/sys"}},
	"internal/rig":             {layerPlumbing, nil},
	"internal/restrict": {layerPlumbing, []string{
		".", "github.com/landlock-lsm/go-landlock", "golang.org/x/net", "golang.org/x/sys", "kernel.org/pub/linux/libs/security/libcap",
	}},
	"internal/watch": {layerPlumbing, []string{".", "golang.org/x/sys", "github.com/fsnotify/fsnotify"}},

	"protocol":               {layerRecords, []string{".", "internal/blake3", "protocol/internal/wire"}},
	"protocol/internal/wire": {layerRecords, []string{"."}},
	"protocol/listing":       {layerRecords, []string{".", "protocol", "protocol/internal/wire"}},
	"protocol/marking":       {layerRecords, []string{".", "protocol", "protocol/internal/wire"}},
	"protocol/relay":         {layerRecords, []string{".", "protocol", "protocol/internal/wire"}},
	"protocol/patch":         {layerRecords, []string{".", "protocol", "protocol/internal/wire"}},
	"protocol/zframe": {layerRecords, []string{
		".", "protocol", "protocol/internal/wire", "github.com/klauspost/compress/zstd",
	}},
	"identity": {layerRecords, []string{
		".", "identity/keyring", "identity/sealing", "identity/statefile", "internal/durable", "protocol",
	}},
	"identity/keyring":    {layerRecords, []string{".", "identity/sealing", "identity/statefile"}},
	"identity/sealing":    {layerRecords, []string{"."}},
	"identity/card":       {layerRecords, []string{".", "identity", "identity/keyring", "identity/sealing"}},
	"identity/statefile":  {layerRecords, []string{".", "internal/durable"}},
	"journal":             {layerRecords, []string{".", "journal/batch", "journal/database", "journal/filter", "journal/form", "journal/removal", "journal/runs"}},
	"journal/batch":       {layerRecords, []string{".", "github.com/klauspost/compress/zstd"}},
	"journal/filter":      {layerRecords, []string{"."}},
	"journal/form":        {layerRecords, []string{"journal/database"}},
	"journal/removal":     {layerRecords, nil},
	"journal/runs":        {layerRecords, []string{".", "journal/database"}},
	"journal/database":    {layerRecords, []string{".", "internal/durable", "golang.org/x/sys", "modernc.org/sqlite"}},
	"release":             {layerRecords, []string{".", "internal/durable"}},
	"release/origin":      {layerMechanism, []string{".", "internal/durable", "release"}},
	"release/place":       {layerMechanism, []string{".", "internal/durable", "release", "golang.org/x/sys"}},
	"journal/spare":       {layerRecords, []string{".", "internal/durable", "journal/database", "journal/form"}},
	"trigger":             {layerRecords, []string{".", "github.com/bmatcuk/doublestar"}},
	"trigger/expectation": {layerRecords, []string{"."}},
	"trigger/firing":      {layerRecords, []string{"."}},
	"trigger/marker":      {layerRecords, []string{".", "internal/confine"}},
	"trigger/schedule":    {layerRecords, []string{"."}},
	"trigger/selection":   {layerRecords, []string{"."}},
	"journal/ledger":      {layerRecords, []string{".", "journal"}},

	"transfer":       {layerMechanism, []string{".", "internal/blake3", "internal/confine", "journal", "protocol", "journal/ledger"}},
	"transfer/marks": {layerMechanism, []string{".", "internal/blake3", "internal/confine", "transfer/delta"}},
	"transfer/look":  {layerMechanism, []string{"internal/confine"}},
	"transfer/scan": {layerMechanism, []string{
		".", "internal/blake3", "internal/confine", "internal/siphash", "transfer/look", "github.com/bmatcuk/doublestar",
	}},
	"transfer/delta": {layerMechanism, []string{".", "github.com/zeebo/blake3", "golang.org/x/sys"}},
	"transfer/sender": {layerMechanism, []string{
		".", "internal/blake3", "internal/confine", "internal/ring", "protocol", "protocol/listing", "transfer", "transfer/compress", "transfer/scan",
		"transfer/sender/patch", "transfer/sender/walk", "golang.org/x/sync",
	}},
	"transfer/compress": {layerMechanism, []string{".", "protocol", "protocol/zframe"}},
	"transfer/sender/patch": {layerMechanism, []string{
		".", "internal/confine", "protocol", "protocol/patch", "transfer", "transfer/delta", "golang.org/x/sync",
	}},
	"transfer/sender/walk": {layerMechanism, []string{
		".", "internal/confine", "internal/ring", "protocol", "protocol/listing", "transfer", "transfer/look", "transfer/scan",
	}},
	"transfer/mirror": {layerMechanism, []string{
		".", "internal/confine", "journal", "protocol", "protocol/listing", "transfer", "transfer/look", "transfer/scan", "transfer/staging/publish", "journal/ledger",
	}},
	"transfer/resident": {layerMechanism, []string{
		".", "internal/confine", "protocol", "protocol/listing", "transfer", "transfer/look", "transfer/scan",
	}},
	"transfer/receiver": {layerMechanism, []string{
		".", "internal/confine", "internal/ring", "journal", "protocol", "protocol/listing", "protocol/patch", "transfer",
		"transfer/delta", "transfer/mirror", "transfer/receiver/intake", "transfer/receiver/known", "transfer/receiver/landing",
		"transfer/receiver/outcome", "transfer/receiver/rebuild", "transfer/receiver/remember", "transfer/receiver/reply", "transfer/receiver/wire", "transfer/resident", "transfer/staging",
		"transfer/staging/publish", "golang.org/x/sync", "journal/ledger",
	}},
	"transfer/receiver/intake": {layerMechanism, []string{".", "internal/blake3", "protocol", "protocol/zframe", "transfer"}},
	"transfer/receiver/landing": {layerMechanism, []string{
		".", "internal/confine", "protocol", "transfer", "transfer/delta", "transfer/receiver/rebuild", "transfer/staging",
	}},
	"transfer/receiver/rebuild":  {layerMechanism, []string{"protocol", "protocol/patch", "transfer", "transfer/delta"}},
	"transfer/receiver/remember": {layerMechanism, []string{"internal/confine", "protocol", "transfer/delta"}},
	"transfer/receiver/reply":    {layerMechanism, []string{".", "protocol", "transfer"}},
	"transfer/receiver/outcome":  {layerMechanism, []string{"."}},
	"transfer/receiver/wire":     {layerMechanism, []string{".", "protocol", "protocol/zframe", "transfer"}},
	"transfer/receiver/known":    {layerMechanism, []string{".", "protocol", "transfer"}},
	"transfer/staging": {layerMechanism, []string{
		".", "internal/confine", "journal", "protocol", "transfer", "transfer/staging/aside", "transfer/staging/owner",
		"transfer/staging/publish", "journal/ledger",
	}},
	"transfer/staging/aside":   {layerMechanism, []string{".", "protocol"}},
	"transfer/staging/publish": {layerMechanism, []string{".", "internal/confine", "journal", "journal/ledger"}},
	"transfer/staging/owner":   {layerMechanism, []string{"."}},
	"link": {layerMechanism, []string{
		".", "identity", "link/bundle", "link/dataconn", "link/gate", "link/hello", "link/join", "link/path", "link/rendezvous", "link/stream",
		"link/transport", "link/wire", "protocol",
	}},
	"link/bundle":     {layerMechanism, []string{"."}},
	"link/dataconn":   {layerMechanism, []string{".", "identity", "link/stream", "link/transport", "protocol"}},
	"link/gate":       {layerMechanism, nil},
	"link/hello":      {layerMechanism, []string{".", "link/transport", "protocol"}},
	"link/join":       {layerMechanism, []string{".", "identity", "identity/sealing", "link/transport", "protocol"}},
	"link/rendezvous": {layerMechanism, nil},
	"link/path":       {layerMechanism, []string{"golang.org/x/sys"}},
	"link/stream":     {layerMechanism, []string{".", "link/path"}},
	"link/transport":  {layerMechanism, []string{".", "identity"}},
	"link/wire":       {layerMechanism, []string{".", "protocol"}},

	"exchange": {layerMechanism, []string{"."}},
	"exchange/azure": {layerMechanism, []string{
		".", "exchange", "exchange/azure/account", "exchange/probe", "exchange/response", "github.com/Azure/azure-sdk-for-go/sdk/azcore",
		"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob", "github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue",
	}},
	"exchange/azure/account": {layerMechanism, []string{
		".", "exchange", "exchange/response", "github.com/Azure/azure-sdk-for-go/sdk/azcore", "github.com/Azure/azure-sdk-for-go/sdk/azidentity",
		"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob", "github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue",
	}},
	"exchange/azure/roles": {layerMechanism, []string{"."}},
	"exchange/dir":         {layerMechanism, []string{".", "exchange", "exchange/dir/layout", "internal/confine"}},
	"exchange/dir/layout":  {layerMechanism, nil},
	"exchange/relay":       {layerMechanism, []string{".", "exchange", "exchange/relay/wire", "identity", "link/transport"}},
	"exchange/relay/server": {layerMechanism, []string{
		".", "exchange", "exchange/relay/store", "exchange/relay/wire", "identity", "link/gate", "link/transport",
	}},
	"exchange/relay/store": {layerMechanism, []string{
		".", "exchange", "exchange/relay/wire", "identity/statefile", "internal/confine", "internal/durable", "journal/database",
	}},
	"exchange/relay/wire":          {layerMechanism, []string{"."}},
	"exchange/exchangetest":        {layerMechanism, []string{".", "exchange"}},
	"exchange/exchangetest/faulty": {layerMechanism, []string{".", "exchange"}},
	"exchange/letter":              {layerMechanism, []string{".", "exchange", "identity/sealing", "protocol"}},
	"exchange/mailbox":             {layerMechanism, []string{".", "exchange"}},
	"exchange/nats": {layerMechanism, []string{
		".", "exchange", "exchange/nats/cluster", "exchange/probe", "github.com/nats-io/nats.go", "golang.org/x/sync",
	}},
	"exchange/nats/cluster": {layerMechanism, []string{".", "exchange", "github.com/nats-io/nats.go", "github.com/nats-io/nkeys"}},
	"exchange/parcel":       {layerMechanism, []string{"."}},
	"exchange/probe":        {layerMechanism, []string{".", "exchange"}},
	"exchange/owner":        {layerMechanism, []string{".", "exchange"}},
	"exchange/record": {layerMechanism, []string{
		".", "exchange", "exchange/parcel", "internal/durable", "internal/ring", "protocol", "protocol/patch", "protocol/relay", "transfer",
		"transfer/delta", "github.com/klauspost/compress/zstd", "golang.org/x/sync",
	}},
	"exchange/recall": {layerMechanism, []string{".", "transfer/delta", "transfer/marks", "transfer/sender"}},
	"exchange/replay": {layerMechanism, []string{
		".", "exchange/parcel", "internal/ring", "protocol", "protocol/patch", "protocol/relay", "transfer", "github.com/klauspost/compress/zstd",
		"golang.org/x/sync",
	}},
	"exchange/response": {layerMechanism, []string{"."}},
	"exchange/s3": {layerMechanism, []string{
		".", "exchange", "exchange/probe", "exchange/response", "github.com/minio/minio-go",
	}},
	"exchange/talk": {layerMechanism, []string{
		".", "exchange", "exchange/parcel", "exchange/record", "exchange/replay", "protocol", "protocol/relay", "transfer/sender",
	}},

	"agent": {layerRole, []string{
		".", "agent/admission", "agent/applied", "agent/arrival", "agent/conduct", "agent/config", "agent/courier", "agent/dispatch", "agent/exits", "agent/farend", "agent/notice", "agent/order",
		"agent/pairing", "agent/queue", "agent/route", "agent/source", "agent/trail", "agent/turn", "agent/upkeep", "agent/view", "exchange", "exchange/mailbox", "agent/foreman", "agent/seat",
		"agent/telemetry",
		"exchange/talk", "internal/confine", "internal/resident", "journal", "link", "protocol", "transfer", "transfer/receiver",
		"transfer/marks", "transfer/sender", "transfer/staging", "golang.org/x/sync", "journal/ledger",
	}},
	"agent/seat": {layerRole, []string{
		".", "agent/config",
	}},
	"agent/foreman": {layerRole, []string{
		".", "agent/seat", "agent/source", "agent/supervisor", "agent/worker/errand", "internal/plain", "internal/post", "journal", "journal/batch", "journal/ledger", "link/dataconn", "protocol", "transfer", "transfer/receiver", "transfer/receiver/remember", "transfer/sender", "transfer/staging",
	}},
	"agent/supervisor": {layerRole, []string{
		".", "agent/config", "agent/seat", "agent/worker", "internal/plain", "internal/post", "internal/restrict",
	}},
	"agent/worker": {layerRole, []string{
		".", "agent/source", "agent/worker/errand", "internal/confine", "internal/plain", "internal/post", "internal/restrict", "journal", "journal/batch", "journal/ledger", "link/bundle", "link/dataconn", "protocol", "transfer", "transfer/delta", "transfer/receiver", "transfer/sender", "transfer/staging",
	}},
	"agent/worker/errand": {layerRole, []string{
		".", "internal/confine", "internal/plain", "internal/post", "journal", "journal/ledger", "protocol", "transfer", "transfer/delta",
	}},
	"agent/courier": {layerRole, []string{
		".", "exchange", "exchange/letter", "exchange/mailbox", "exchange/owner", "exchange/recall", "exchange/record", "exchange/talk", "identity", "identity/card",
		"identity/sealing", "internal/durable", "protocol", "protocol/relay", "transfer", "transfer/sender",
	}},
	"agent/view":            {layerRole, []string{".", "journal"}},
	"agent/handover":        {layerRole, []string{".", "agent/localapi/route", "agent/localapi/socket", "release"}},
	"agent/config/releases": {layerRole, []string{"release", "release/origin"}},
	"agent/dispatch":        {layerRole, []string{".", "agent/queue"}},
	"agent/route":           {layerRole, []string{"."}},
	"agent/admission":       {layerRole, []string{".", "journal", "transfer"}},
	"agent/arrival": {layerRole, []string{
		".", "agent/trail", "internal/confine", "internal/watch", "journal", "transfer/scan", "trigger",
	}},
	"agent/exits": {layerRole, []string{
		".", "agent/exits/process", "agent/exits/rule", "journal", "transfer/staging/publish", "golang.org/x/sync",
	}},
	"agent/exits/process": {layerPlumbing, []string{".", "internal/restrict", "golang.org/x/sys"}},
	"agent/exits/rule":    {layerRecords, []string{"."}},
	"agent/notice":        {layerRole, []string{".", "agent/trail", "journal", "link", "protocol"}},
	"agent/order": {layerRole, []string{
		".", "agent/source", "agent/trail", "journal", "transfer", "github.com/google/uuid",
	}},
	"agent/pairing": {layerRole, []string{".", "agent/config", "identity", "link"}},
	"agent/queue":   {layerRole, []string{".", "transfer"}},
	"agent/source":  {layerRole, []string{".", "internal/confine", "transfer", "transfer/scan"}},
	"agent/trail":   {layerRole, []string{".", "journal", "protocol", "transfer"}},
	"agent/turn":    {layerRole, []string{"."}},
	"agent/upkeep":  {layerRole, []string{".", "journal", "transfer/staging", "journal/ledger"}},

	"agent/config/command": {layerRole, []string{".", "agent/config/leaf", "agent/config/strict", "agent/exits/rule"}},
	"agent/telemetry": {layerRole, []string{
		".", "agent/config/collector", "agent/telemetry/attribute", "agent/telemetry/insights", "agent/telemetry/otlp", "agent/telemetry/post",
		"agent/telemetry/span", "agent/telemetry/tally", "internal/durable", "journal", "github.com/google/uuid",
	}},
	"agent/telemetry/attribute": {layerRole, []string{".", "agent/telemetry/span"}},
	"agent/telemetry/insights": {layerRole, []string{
		".", "agent/config/collector", "agent/telemetry/attribute", "agent/telemetry/post", "agent/telemetry/span",
	}},
	"agent/telemetry/otlp": {layerRole, []string{
		".", "agent/telemetry/attribute", "agent/telemetry/post", "agent/telemetry/span", "agent/telemetry/tally",
	}},
	"agent/telemetry/post":  {layerRole, nil},
	"agent/telemetry/span":  {layerRole, []string{"."}},
	"agent/telemetry/tally": {layerRole, []string{".", "agent/telemetry/attribute", "agent/telemetry/span"}},

	"agent/config": {layerRole, []string{
		".", "agent/config/collector", "agent/config/command", "agent/config/expect", "agent/config/leaf", "agent/config/releases", "agent/config/storage", "agent/config/strict", "identity", "internal/confine/filesys", "trigger", "go.yaml.in/yaml",
	}},
	"agent/config/leaf": {layerRole, []string{".", "agent/config/strict", "identity", "trigger", "trigger/schedule"}},
	"agent/conduct": {layerRole, []string{
		".", "agent/arrival", "agent/farend", "agent/trail", "journal", "journal/runs", "protocol/marking", "trigger", "trigger/expectation", "trigger/firing", "trigger/marker", "trigger/schedule", "github.com/google/uuid",
	}},
	"agent/farend":           {layerRole, []string{".", "journal", "protocol", "protocol/marking", "trigger/marker", "github.com/google/uuid"}},
	"agent/config/collector": {layerRole, []string{"agent/config/storage"}},
	"agent/config/expect":    {layerRole, []string{".", "agent/config/leaf", "agent/config/storage"}},
	"agent/config/storage":   {layerRole, []string{"agent/config/leaf", "internal/confine/filesys"}},
	"agent/config/strict":    {layerRole, []string{"go.yaml.in/yaml"}},
	"agent/localapi": {layerRole, []string{
		".", "agent", "agent/applied", "agent/localapi/channel", "agent/localapi/opaque", "agent/localapi/route", "agent/localapi/socket", "agent/order", "agent/pairing", "agent/telemetry", "agent/trace", "exchange/relay/server", "journal",
	}},
	"agent/applied": {layerRole, []string{".", "agent/config", "internal/durable"}},
	"agent/trace":   {layerRole, []string{".", "agent/localapi/opaque", "internal/confine", "journal", "protocol"}},
	"agent/localapi/channel": {layerRole, []string{
		".", "agent/applied", "agent/conduct", "agent/localapi/opaque", "agent/localapi/route", "agent/view", "journal", "journal/runs", "trigger",
		"trigger/firing",
	}},
	"agent/localapi/opaque": {layerRole, nil},
	"agent/localapi/route":  {layerRole, []string{"."}},
	"agent/localapi/socket": {layerRole, []string{".", "golang.org/x/sys"}},

	"cmd/mft": {layerCommand, []string{
		".", "agent/config", "agent/config/leaf", "agent/localapi", "agent/localapi/opaque", "agent/pairing", "protocol", "cmd/mft/argument", "cmd/mft/channel", "cmd/mft/daemon", "cmd/mft/doctor", "cmd/mft/exchange",
		"cmd/mft/exit", "cmd/mft/follow", "cmd/mft/progress", "cmd/mft/publish", "cmd/mft/quickstart", "cmd/mft/settings", "cmd/mft/show", "cmd/mft/unit", "cmd/mft/upgrade", "agent/exits/process", "cmd/mft/sandbox", "cmd/mft/crew",
		"cmd/mft/daemon/trial", "cmd/mft/edition", "github.com/spf13/cobra", "github.com/spf13/pflag",
	}},
	"cmd/mft/crew": {layerCommand, []string{
		".", "agent/config", "agent/foreman", "agent/seat", "agent/supervisor", "agent/worker", "internal/post", "github.com/spf13/cobra",
	}},
	"cmd/mft/argument": {layerCommand, []string{".", "agent/config", "agent/config/leaf", "cmd/mft/exit", "github.com/spf13/cobra", "github.com/spf13/pflag"}},
	"cmd/mft/daemon": {layerCommand, []string{
		".", "agent", "agent/config", "agent/handover", "agent/localapi", "agent/localapi/route", "agent/telemetry", "cmd/mft/daemon/trial", "cmd/mft/depot", "journal", "journal/spare", "agent/foreman",
		"release", "release/place", "golang.org/x/sync",
	}},
	"cmd/mft/daemon/trial": {layerCommand, []string{"."}},
	"cmd/mft/channel": {layerCommand, []string{
		".", "agent/applied", "agent/conduct", "agent/localapi", "agent/localapi/channel", "agent/localapi/opaque", "agent/localapi/route", "cmd/mft/argument", "cmd/mft/exit",
		"cmd/mft/progress", "cmd/mft/show", "internal/confine/filesys", "trigger/firing", "github.com/spf13/cobra",
	}},
	"cmd/mft/edition": {layerCommand, []string{"protocol"}},
	"cmd/mft/publish": {layerCommand, []string{
		".", "cmd/mft/argument", "cmd/mft/exit", "cmd/mft/show", "internal/durable", "release", "release/origin", "release/place",
		"github.com/spf13/cobra",
	}},
	"cmd/mft/unit": {layerCommand, []string{
		".", "agent/config", "agent/localapi", "cmd/mft/argument", "cmd/mft/daemon", "cmd/mft/exit", "internal/durable", "golang.org/x/sys",
		"github.com/spf13/cobra",
	}},
	"cmd/mft/upgrade": {layerCommand, []string{
		".", "agent/config", "agent/handover", "cmd/mft/argument", "cmd/mft/daemon", "cmd/mft/exit", "release", "release/origin",
		"release/place", "github.com/spf13/cobra",
	}},
	"cmd/mft/depot": {layerCommand, []string{
		".", "agent/config", "agent/config/leaf", "agent/config/storage", "agent/pairing", "exchange", "exchange/azure", "exchange/azure/account", "exchange/dir",
		"exchange/nats", "exchange/nats/cluster", "exchange/probe", "exchange/s3",
		"exchange/relay", "exchange/relay/server", "exchange/relay/store", "exchange/relay/wire", "identity", "internal/confine/filesys", "internal/durable",
	}},
	"cmd/mft/exchange": {layerCommand, []string{
		".", "agent/config", "agent/config/storage", "cmd/mft/argument", "cmd/mft/depot", "cmd/mft/exit", "cmd/mft/progress", "cmd/mft/show",
		"exchange", "exchange/azure/roles", "exchange/probe", "github.com/spf13/cobra",
	}},
	"cmd/mft/settings": {layerCommand, []string{".", "agent/config", "agent/exits", "cmd/mft/argument", "github.com/spf13/cobra"}},
	"cmd/mft/doctor": {layerCommand, []string{
		".", "agent/config", "agent/config/storage", "agent/exits", "agent/localapi", "agent/localapi/route", "agent/telemetry", "cmd/mft/depot", "cmd/mft/progress",
		"internal/confine", "internal/confine/filesys", "golang.org/x/sys",
	}},
	"cmd/mft/exit":     {layerRecords, []string{".", "cmd/mft/progress"}},
	"cmd/mft/follow":   {layerCommand, []string{".", "agent/localapi", "cmd/mft/exit", "cmd/mft/progress", "golang.org/x/sys"}},
	"cmd/mft/progress": {layerPlumbing, []string{"."}},
	"cmd/mft/sandbox": {layerCommand, []string{
		".", "cmd/mft/argument", "cmd/mft/exit", "internal/restrict", "golang.org/x/sys", "github.com/spf13/cobra",
	}},
	"cmd/mft/quickstart": {layerCommand, []string{
		".", "agent/config", "agent/config/storage", "agent/localapi", "cmd/mft/depot", "cmd/mft/progress", "internal/confine/filesys",
		"golang.org/x/sync",
	}},
	"cmd/mft/show": {layerCommand, []string{".", "agent/localapi", "agent/telemetry", "agent/trace", "cmd/mft/progress", "exchange/relay/server"}},

	"bench": {layerOutside, []string{
		"bench/contender", "bench/contender/bare", "bench/contender/meter", "bench/faraway", "bench/limit", "bench/result",
		"bench/workload", "bench/workload/content", "internal/rig", "golang.org/x/sys",
	}},
	"bench/contender/bare": {layerOutside, []string{
		"github.com/Azure/azure-sdk-for-go/sdk/azcore", "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob", "golang.org/x/sync",
	}},
	"bench/contender":        {layerOutside, []string{"bench/contender/bare", "bench/contender/meter", "internal/rig", "golang.org/x/sys"}},
	"bench/contender/meter":  {layerOutside, nil},
	"bench/faraway":          {layerOutside, []string{"golang.org/x/sys"}},
	"bench/limit":            {layerOutside, []string{"internal/blake3"}},
	"bench/result":           {layerOutside, nil},
	"bench/workload":         {layerOutside, []string{"bench/workload/content"}},
	"bench/workload/content": {layerOutside, nil},

	"e2e":     {layerOutside, nil},
	"interop": {layerOutside, nil},
}

// sideways lists the imports within one layer that the house puts up with, and
// why.
var sideways = map[string]string{
	"transfer/sender -> transfer":                           "both ends hold to what package transfer agrees on",
	"protocol/zframe -> protocol":                           "what is compressed is a frame",
	"protocol/zframe -> protocol/internal/wire":             "fields have one form in all messages",
	"transfer/sender -> transfer/compress":                  "what is compressed is decided there",
	"transfer/sender -> transfer/scan":                      "what is sent is what the scan finds",
	"transfer/receiver -> transfer":                         "both ends hold to what package transfer agrees on",
	"transfer/receiver -> transfer/resident":                "what is there already is known there",
	"transfer/receiver -> transfer/mirror":                  "what is to be removed is known and removed there",
	"transfer/receiver/wire -> transfer":                    "both ends hold to what package transfer agrees on",
	"transfer/mirror -> transfer":                           "what breaks the protocol is called by one name",
	"transfer/mirror -> transfer/staging/publish":           "what is renamed instead of sent is on record as what is delivered",
	"transfer/receiver/reply -> transfer":                   "the conversation has one home",
	"transfer/receiver/known -> transfer":                   "what a receive needs of the journal has one home",
	"journal/ledger -> journal":                             "what one receive reads and writes is part of the journal",
	"transfer/receiver -> transfer/staging/publish":         "what was renamed is told from what was delivered",
	"transfer/scan -> transfer/look":                        "what was seen is not looked at again",
	"transfer/sender/walk -> transfer/look":                 "what was seen is not looked at again",
	"transfer/resident -> transfer/look":                    "what was seen is not looked at again",
	"transfer/mirror -> transfer/look":                      "what was seen is not looked at again",
	"transfer/mirror -> transfer/scan":                      "the names of staging have one home",
	"transfer/resident -> transfer":                         "what breaks the protocol is called by one name",
	"transfer/resident -> transfer/scan":                    "directories are the same if both ends list them alike",
	"transfer/sender/walk -> transfer":                      "what breaks the protocol is called by one name",
	"transfer/sender/walk -> transfer/scan":                 "what is sent is what the scan finds",
	"protocol/listing -> protocol/internal/wire":            "fields have one form in all messages",
	"protocol/listing -> protocol":                          "the limits of the protocol have one home",
	"protocol/marking -> protocol/internal/wire":            "fields have one form in all messages",
	"protocol/marking -> protocol":                          "the limits of the protocol have one home",
	"transfer/receiver -> transfer/staging":                 "what has landed is committed there",
	"transfer/staging -> transfer":                          "what breaks the protocol is called by one name",
	"agent/exits/process -> internal/restrict":              "a command is confined by the walls that all processes have",
	"internal/confine/beneath -> internal/confine/entries":  "what is done to every small file is kept apart, for it is written for speed",
	"internal/confine/beneath -> internal/confine/filesys":  "the facts of a file system have one home",
	"internal/confine/entries -> internal/confine/filesys":  "the facts of a file system have one home",
	"internal/durable -> internal/confine/filesys":          "the facts of a file system have one home",
	"agent/arrival -> agent/trail":                          "what a channel found and the transfer that sends it are told in one transaction",
	"agent/notice -> agent/trail":                           "that a peer was told is part of the story of the transfer",
	"agent/config/command -> agent/config/strict":           "every section is read in one way",
	"agent/pairing -> agent/config":                         "the configuration pins peers and grants",
	"agent/localapi -> agent":                               "the local socket is the agent's front door, and the agent does not know of it",
	"identity/keyring -> identity/sealing":                  "a new sealing key is stated by the signing key that comes with it",
	"identity/keyring -> identity/statefile":                "keys and peers lie in files of the same kind",
	"link/join -> link/transport":                           "pairing speaks the same TLS as everything else",
	"link/dataconn -> link/stream":                          "what is handed over is ready for bulk content",
	"link/hello -> link/transport":                          "errors of a connection have one home",
	"link/dataconn -> link/transport":                       "data connections speak the same TLS as everything else",
	"link/stream -> link/path":                              "a connection is prepared for the path that it takes",
	"agent/seat -> agent/config":                            "places are those of the configuration",
	"agent/foreman -> agent/seat":                           "workers are asked for by their places",
	"agent/foreman -> agent/source":                         "what is sent is opened there, by whoever sends it",
	"agent/foreman -> agent/supervisor":                     "what it answers has one home",
	"agent/foreman -> agent/worker/errand":                  "both ends of an errand hold to it",
	"agent/supervisor -> agent/config":                      "its own reading of the configuration decides",
	"agent/supervisor -> agent/seat":                        "workers are asked for by their places",
	"agent/supervisor -> agent/worker":                      "what a worker is told first has one home",
	"agent/worker -> agent/source":                          "what is sent is opened there, by whoever sends it",
	"agent/order -> agent/source":                           "an order is refused at once when what it sends is not there",
	"agent/order -> agent/trail":                            "a transfer and the story of how it was ordered are told in one transaction",
	"agent/localapi -> agent/order":                         "whoever gives an order makes the ids of its transfers",
	"agent/localapi -> agent/pairing":                       "peers are shown as pairing describes them",
	"identity -> protocol":                                  "a signature covers an envelope as protocol lays it out, and nothing else is ever signed",
	"agent/config/collector -> agent/config/storage":        "where a secret lies is said in one way",
	"agent/telemetry -> agent/config/collector":             "the section of the file is what an exporter is made of",
	"agent/telemetry/attribute -> agent/telemetry/span":     "what is said of a span is named there",
	"agent/telemetry/insights -> agent/config/collector":    "connection strings are read where the file is",
	"agent/telemetry/insights -> agent/telemetry/attribute": "all destinations use the same names",
	"agent/telemetry/insights -> agent/telemetry/post":      "all destinations are posted to in one way",
	"agent/telemetry/insights -> agent/telemetry/span":      "spans are sent",
	"agent/telemetry/otlp -> agent/telemetry/attribute":     "all destinations use the same names",
	"agent/telemetry/otlp -> agent/telemetry/post":          "all destinations are posted to in one way",
	"agent/telemetry/otlp -> agent/telemetry/span":          "spans are sent",
	"agent/telemetry/otlp -> agent/telemetry/tally":         "sums are sent",
	"agent/telemetry/tally -> agent/telemetry/attribute":    "all destinations use the same names",
	"agent/telemetry/tally -> agent/telemetry/span":         "that a transfer has ended is said by its span",
	"agent/localapi -> agent/telemetry":                     "how telemetry does is shown as it describes itself",

	"exchange/azure -> exchange":                             "an adapter does what package exchange declares",
	"exchange/dir -> exchange":                               "an adapter does what package exchange declares",
	"exchange/relay -> exchange":                             "an adapter does what package exchange declares",
	"exchange/relay -> link/transport":                       "agents speak one TLS, whatever they say over it",
	"exchange/relay/server -> exchange":                      "a server holds to the limits of package exchange",
	"exchange/relay/server -> exchange/relay/store":          "what is served lies there",
	"exchange/relay/server -> exchange/relay/wire":           "both ends speak as it is written there",
	"exchange/relay/server -> link/gate":                     "connections that are not useful yet are bounded in one way",
	"exchange/relay/server -> link/transport":                "agents speak one TLS, whatever they say over it",
	"exchange/relay/store -> exchange":                       "a store holds to the limits of package exchange",
	"exchange/relay/store -> exchange/relay/wire":            "what is asked for and answered has one form",
	"exchange/nats -> exchange":                              "an adapter does what package exchange declares",
	"exchange/nats -> exchange/probe":                        "what is tried is told in one form",
	"exchange/azure -> exchange/probe":                       "what is tried is told in one form",
	"exchange/azure -> exchange/response":                    "names are taken from a storage with one caution",
	"exchange/azure/account -> exchange/response":            "what HTTP says means the same wherever it is said",
	"exchange/s3 -> exchange/response":                       "what HTTP says means the same wherever it is said",
	"exchange/probe -> exchange":                             "what is tried is what package exchange declares",
	"exchange/s3 -> exchange":                                "an adapter does what package exchange declares",
	"exchange/s3 -> exchange/probe":                          "what is tried is told in one form",
	"exchange/exchangetest -> exchange":                      "the suite holds adapters to what package exchange declares",
	"exchange/exchangetest/faulty -> exchange":               "the double has the face of what it wraps",
	"exchange/letter -> exchange":                            "the limit of a letter has one home",
	"exchange/mailbox -> exchange":                           "letters are taken from any exchange",
	"agent/config/expect -> agent/config/leaf":               "a value of one word is read in one way",
	"agent/config/expect -> agent/config/storage":            "a size is read in one way",
	"agent/config/storage -> agent/config/leaf":              "a value of one word is read in one way",
	"agent/config/command -> agent/config/leaf":              "a value of one word is read in one way",
	"agent/config/leaf -> agent/config/strict":               "a value of one word is read by the decoder of the file",
	"exchange/azure/account -> exchange":                     "what fails has one form in all adapters",
	"exchange/nats/cluster -> exchange":                      "what fails has one form in all adapters",
	"exchange/owner -> exchange":                             "the decision lies in any container",
	"exchange/record -> exchange":                            "parts go into any container",
	"exchange/record -> exchange/parcel":                     "the form of parcels has one home",
	"exchange/recall -> transfer/delta":                      "what is remembered are marks",
	"exchange/recall -> transfer/marks":                      "what is remembered lies in the same form at both ends",
	"exchange/recall -> transfer/sender":                     "it sees what is sent go by",
	"exchange/record -> transfer/delta":                      "what a receiver would be marked by is read from memory",
	"exchange/talk -> transfer/sender":                       "it hands on who sees what is sent",
	"exchange/record -> transfer":                            "it speaks as a receiver does",
	"exchange/replay -> exchange/parcel":                     "the form of parcels has one home",
	"exchange/replay -> transfer":                            "it speaks as a sender does",
	"exchange/talk -> exchange":                              "what is granted and read lies in any exchange",
	"exchange/talk -> exchange/parcel":                       "what is available has the form of parcels",
	"exchange/talk -> exchange/record":                       "the receiver's part is taken there",
	"exchange/talk -> exchange/replay":                       "the sender's part is taken there",
	"agent/dispatch -> agent/queue":                          "what runs next is decided there",
	"identity/card -> identity":                              "a card is signed by keys of this agent and read by its trust",
	"identity/card -> identity/keyring":                      "keys in a card lie as they do in a ring",
	"identity/card -> identity/sealing":                      "a card states sealing keys",
	"protocol/relay -> protocol":                             "the limits of the protocol have one home",
	"protocol/relay -> protocol/internal/wire":               "fields have one form in all messages",
	"protocol/patch -> protocol/internal/wire":               "fields have one form in all messages",
	"protocol/patch -> protocol":                             "the limits of the protocol have one home",
	"transfer/marks -> transfer/delta":                       "what a record of marks is, is said there",
	"transfer/receiver -> transfer/delta":                    "a receiver names ranges of an old version as they are checked there",
	"transfer/receiver/intake -> transfer":                   "both ends hold to what package transfer agrees on",
	"transfer/receiver/landing -> transfer":                  "both ends hold to what package transfer agrees on",
	"transfer/receiver/landing -> transfer/delta":            "a receiver names ranges of an old version as they are checked there",
	"transfer/receiver/landing -> transfer/receiver/rebuild": "a file may be made of what its old version has",
	"transfer/receiver/landing -> transfer/staging":          "content goes to where it is committed from",
	"transfer/receiver/rebuild -> transfer":                  "what breaks the protocol is called by one name",
	"transfer/receiver/rebuild -> transfer/delta":            "marks are made there",
	"transfer/receiver/remember -> transfer/delta":           "what a record of marks is, is said there",
	"transfer/sender/patch -> transfer":                      "both ends hold to what package transfer agrees on",
	"transfer/sender/patch -> transfer/delta":                "what of a file is in its old version is found there",
	"journal/spare -> journal/database":                      "what a schema is, and who has a database open, is known there",
	"journal/spare -> journal/form":                          "which schema this version writes is known there",
	"journal/runs -> journal/database":                       "runs are kept in tables beside the others",
	"journal/form -> journal/database":                       "what a schema is, is known there",
	"agent/conduct -> agent/arrival":                         "a run sends what the source of the channel has",
	"agent/conduct -> agent/farend":                          "markers of other hosts are known there",
	"agent/conduct -> agent/trail":                           "what a source sends is told there",
	"agent/handover -> agent/localapi/route":                 "errors cross both sockets in one form",
	"agent/handover -> agent/localapi/socket":                "both sockets say in one way who may use them",
	"cmd/mft/upgrade -> cmd/mft/daemon":                      "the program that runs is known in one way",
	"cmd/mft/upgrade -> cmd/mft/argument":                    "all commands are typed in one way",
	"cmd/mft/unit -> cmd/mft/daemon":                         "the program that runs is known in one way",
	"cmd/mft/unit -> cmd/mft/argument":                       "all commands are typed in one way",
	"cmd/mft/channel -> cmd/mft/argument":                    "all commands are typed in one way",
	"cmd/mft/channel -> cmd/mft/show":                        "all commands print tables in one way",
	"agent/localapi -> agent/trace":                          "where a file is is found there",
	"agent/trace -> agent/localapi/opaque":                   "names have one form in JSON",
	"agent/applied -> agent/config":                          "channels are written in one way",
	"agent/localapi -> agent/applied":                        "what is applied is kept there",
	"agent/localapi/channel -> agent/applied":                "what is applied is kept there",
	"agent/localapi/channel -> agent/conduct":                "what operators order of channels is done there",
	"agent/localapi/channel -> agent/localapi/opaque":        "names have one form in JSON",
	"agent/localapi/channel -> agent/localapi/route":         "orders come in one way",
	"agent/localapi/channel -> agent/view":                   "transfers are shown in one way",
	"cmd/mft/publish -> cmd/mft/argument":                    "all commands are typed in one way",
	"cmd/mft/publish -> cmd/mft/show":                        "all commands print tables in one way",
	"cmd/mft/daemon -> cmd/mft/depot":                        "the agent, its doctor and its commands open one exchange in one way",
	"cmd/mft/doctor -> cmd/mft/depot":                        "the agent, its doctor and its commands open one exchange in one way",
	"cmd/mft/quickstart -> cmd/mft/depot":                    "the agent, its doctor and its commands open one exchange in one way",
	"cmd/mft/exchange -> cmd/mft/depot":                      "the agent, its doctor and its commands open one exchange in one way",
	"cmd/mft/sandbox -> cmd/mft/argument":                    "command lines are read in one way",
	"cmd/mft/settings -> cmd/mft/argument":                   "all commands are typed in one way",
	"cmd/mft/exchange -> cmd/mft/argument":                   "all commands are typed in one way",
	"cmd/mft/exchange -> cmd/mft/show":                       "all commands print tables in one way",
}

// tooLong lists functions of more than 60 lines that are better left whole,
// and why.
var tooLong = map[string]string{}

const (
	maxFile     = 400
	maxFunction = 60
	maxPackage  = 1500
)

// A source is one file of ours that is not a test.
type source struct {
	name  string // slash-separated, below the module
	file  *ast.File
	lines int
}

// sources returns the files of the module that are not tests, by package.
func sources(t *testing.T, fset *token.FileSet) map[string][]source {
	t.Helper()
	out := map[string][]source{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		slashed := filepath.ToSlash(name)
		if d.IsDir() {
			hidden := name != "." && strings.HasPrefix(d.Name(), ".")
			if hidden || d.Name() == "testdata" || slashed == "tools" { // tools is a module of its own
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		dir := path.Dir(slashed)
		out[dir] = append(out[dir], source{slashed, f, fset.File(f.Pos()).LineCount()})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestLayering holds the table of the house.
func TestLayering(t *testing.T) {
	fset := token.NewFileSet()
	packages := sources(t, fset)
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		rule, known := house[dir]
		if !known {
			t.Errorf("%s: this package is not in the table of layering_test.go", dir)
			continue
		}
		for _, src := range packages[dir] {
			for _, spec := range src.file.Imports {
				imported, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if why := rule.forbids(imported); why != "" {
					t.Errorf("%s imports %s: %s", src.name, imported, why)
				}
			}
		}
	}
	for dir := range house {
		if len(packages[dir]) == 0 {
			t.Errorf("%s: is in the table, but not in the tree", dir)
		}
	}
}

// forbids returns why a package may not import another one, "" if it may.
func (r houseRule) forbids(imported string) string {
	name, ours := strings.CutPrefix(imported+"/", module+"/")
	name = strings.TrimSuffix(name, "/")
	if ours && name == "" {
		name = "."
	}
	if !ours {
		first, _, _ := strings.Cut(imported, "/")
		if !strings.Contains(first, ".") {
			return "" // the standard library
		}
		for _, m := range r.may {
			if imported == m || strings.HasPrefix(imported, m+"/") {
				return ""
			}
		}
		return "the table does not allow this dependency here"
	}
	if !slices.Contains(r.may, name) {
		return "the table does not allow it"
	}
	return ""
}

// TestHouseGoesDown checks the table itself: what it allows goes down.
func TestHouseGoesDown(t *testing.T) {
	used := map[string]bool{}
	for dir, rule := range house {
		for _, m := range rule.may {
			below, ours := house[m]
			if !ours {
				if first, _, _ := strings.Cut(m, "/"); !strings.Contains(first, ".") {
					t.Errorf("%s may import %s, which is not in the table", dir, m)
				}
				continue
			}
			edge := dir + " -> " + m
			switch {
			case strings.HasPrefix(m, dir+"/"), below.layer < rule.layer:
			case sideways[edge] != "" && below.layer == rule.layer:
				used[edge] = true
			default:
				t.Errorf("%s may import %s, which does not stand below it", dir, m)
			}
		}
	}
	for edge := range sideways {
		if !used[edge] {
			t.Errorf("%s is put up with, but not in the table", edge)
		}
	}
	if len(house["."].may) > 0 {
		t.Error("the root package may import only the standard library")
	}
}

// TestShape holds the sizes, and one package comment for each package.
func TestShape(t *testing.T) {
	fset := token.NewFileSet()
	for dir, files := range sources(t, fset) {
		lines := 0
		var commented []string
		for _, src := range files {
			lines += src.lines
			if src.lines > maxFile {
				t.Errorf("%s: %d lines, want no more than %d", src.name, src.lines, maxFile)
			}
			if src.file.Doc != nil {
				commented = append(commented, src.name)
			}
			for _, d := range src.file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok {
					continue
				}
				n := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1
				if name := dir + "." + f.Name.Name; n > maxFunction && tooLong[name] == "" {
					t.Errorf("%s: %s has %d lines, want no more than %d", src.name, f.Name.Name, n, maxFunction)
				}
			}
		}
		if lines > maxPackage {
			t.Errorf("%s: %d lines, want no more than %d", dir, lines, maxPackage)
		}
		if len(commented) != 1 {
			t.Errorf("%s: package comments in %q, want exactly one", dir, commented)
		}
	}
}

// TestNoGlobalState finds package variables that change, and init functions.
// Tables and compiled patterns that nobody assigns to are constants in all but
// name.
func TestNoGlobalState(t *testing.T) {
	fset := token.NewFileSet()
	for dir, files := range sources(t, fset) {
		vars := map[string]token.Pos{}
		for _, src := range files {
			for _, d := range src.file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
					t.Errorf("%s: there is an init function", src.name)
				}
				for name, spec := range packageVars(d) {
					vars[name.Name] = name.Pos()
					if name.IsExported() && !strings.HasPrefix(name.Name, "Err") { // errors to compare with are custom
						t.Errorf("%s: the variable %s can be changed by everybody", src.name, name.Name)
					}
					if state := stateful(spec); state != "" {
						t.Errorf("%s: the package variable %s is a %s", src.name, name.Name, state)
					}
				}
			}
		}
		for _, src := range files {
			for _, id := range assigned(src.file) {
				if _, ok := vars[id.Name]; ok {
					t.Errorf("%s: %s changes a package variable of %s", fset.Position(id.Pos()), id.Name, dir)
				}
			}
		}
	}
}

// packageVars yields the names that a declaration makes variables of the
// package, and where.
func packageVars(d ast.Decl) map[*ast.Ident]*ast.ValueSpec {
	out := map[*ast.Ident]*ast.ValueSpec{}
	g, ok := d.(*ast.GenDecl)
	if !ok || g.Tok != token.VAR {
		return out
	}
	for _, s := range g.Specs {
		spec := s.(*ast.ValueSpec)
		for _, name := range spec.Names {
			if name.Name != "_" {
				out[name] = spec
			}
		}
	}
	return out
}

// stateful names the type of a variable that exists to be changed.
func stateful(spec *ast.ValueSpec) string {
	typ := spec.Type
	if typ == nil && len(spec.Values) == 1 {
		if lit, ok := spec.Values[0].(*ast.CompositeLit); ok {
			typ = lit.Type
		}
	}
	if index, ok := typ.(*ast.IndexExpr); ok {
		typ = index.X
	}
	sel, ok := typ.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if pkg, ok := sel.X.(*ast.Ident); ok && (pkg.Name == "sync" || pkg.Name == "atomic") && sel.Sel.Name != "Pool" {
		return fmt.Sprintf("%s.%s", pkg.Name, sel.Sel.Name)
	}
	return ""
}

// assigned returns the identifiers that a file assigns to, or into, and that
// are not local to a function.
func assigned(f *ast.File) []*ast.Ident {
	var out []*ast.Ident
	note := func(e ast.Expr) {
		for {
			switch x := e.(type) {
			case *ast.IndexExpr:
				e = x.X
			case *ast.SelectorExpr:
				e = x.X
			case *ast.StarExpr:
				e = x.X
			case *ast.ParenExpr:
				e = x.X
			case *ast.Ident:
				if !local(f, x) {
					out = append(out, x)
				}
				return
			default:
				return
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, e := range n.Lhs {
					note(e)
				}
			}
		case *ast.IncDecStmt:
			note(n.X)
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				if _, literal := n.X.(*ast.CompositeLit); !literal {
					note(n.X)
				}
			}
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				note(n.Key)
			}
		}
		return true
	})
	return out
}

// local reports whether id stands for something inside a function of f. What
// another file of the package declares the parser does not find, so it is not.
func local(f *ast.File, id *ast.Ident) bool {
	return id.Obj != nil && f.Scope.Lookup(id.Name) != id.Obj
}
