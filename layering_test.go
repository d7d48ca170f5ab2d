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
	"internal/xattr":           {layerPlumbing, []string{"golang.org/x/sys"}},
	"internal/names":           {layerPlumbing, nil},
	"internal/post":            {layerPlumbing, []string{"golang.org/x/sys"}},
	"internal/rig":             {layerPlumbing, nil},
	"internal/restrict": {layerPlumbing, []string{
		".", "github.com/landlock-lsm/go-landlock", "golang.org/x/net", "golang.org/x/sys", "kernel.org/pub/linux/libs/security/libcap",
	}},
	"internal/watch": {layerPlumbing, []string{".", "golang.org/x/sys", "github.com/fsnotify/fsnotify"}},

	"protocol":               {layerRecords, []string{".", "internal/blake3", "protocol/internal/wire", "protocol/xattr"}},
	"protocol/internal/wire": {layerRecords, []string{"."}},
	"protocol/xattr":         {layerRecords, []string{".", "protocol/internal/wire"}},
	"protocol/listing":       {layerRecords, []string{".", "protocol", "protocol/internal/wire"}},
	"protocol/marking":       {layerRecords, []string{".", "protocol", "protocol/internal/wire"}},
	"protocol/rehearsal":     {layerRecords, []string{".", "protocol", "protocol/internal/wire"}},
	"protocol/tracing":       {layerRecords, []string{".", "protocol", "protocol/internal/wire"}},
	"protocol/relay":         {layerRecords, []string{".", "protocol", "protocol/internal/wire"}},
	"protocol/patch":         {layerRecords, []string{".", "protocol", "protocol/internal/wire"}},
	"protocol/zframe": {layerRecords, []string{
		".", "protocol", "protocol/internal/wire", "github.com/klauspost/compress/zstd",
	}},
	"identity": {layerRecords, []string{
		".", "identity/keyring", "identity/sealing", "identity/statefile", "internal/durable", "protocol",
	}},
	"identity/holder": {layerRecords, []string{
		".", "identity/keyring", "identity/sealing", "internal/restrict", "protocol",
	}},
	"identity/holder/process": {layerRecords, []string{
		".", "identity/holder", "identity/keyring", "identity/sealing", "internal/restrict", "golang.org/x/sys",
	}},
	"identity/keyring":    {layerRecords, []string{".", "identity/sealing", "identity/statefile"}},
	"identity/sealing":    {layerRecords, []string{"."}},
	"identity/card":       {layerRecords, []string{".", "identity", "identity/keyring", "identity/sealing"}},
	"identity/statefile":  {layerRecords, []string{".", "internal/durable"}},
	"journal":             {layerRecords, []string{".", "journal/batch", "journal/database", "journal/filter", "journal/form", "journal/leaving", "journal/removal", "journal/runs"}},
	"journal/ledger":      {layerRecords, []string{".", "journal"}},
	"journal/batch":       {layerRecords, []string{".", "github.com/klauspost/compress/zstd"}},
	"journal/filter":      {layerRecords, []string{"."}},
	"journal/form":        {layerRecords, []string{"journal/database"}},
	"journal/removal":     {layerRecords, nil},
	"journal/runs":        {layerRecords, []string{".", "journal/database"}},
	"journal/leaving":     {layerRecords, []string{".", "journal/database"}},
	"journal/database":    {layerRecords, []string{".", "internal/durable", "golang.org/x/sys", "modernc.org/sqlite"}},
	"release":             {layerRecords, []string{".", "internal/durable"}},
	"release/origin":      {layerMechanism, []string{".", "internal/durable", "release"}},
	"release/place":       {layerMechanism, []string{".", "internal/durable", "release", "golang.org/x/sys"}},
	"journal/spare":       {layerRecords, []string{".", "internal/durable", "journal/database", "journal/form"}},
	"trigger":             {layerRecords, []string{".", "trigger/selection", "github.com/bmatcuk/doublestar"}},
	"trigger/expectation": {layerRecords, []string{"."}},
	"trigger/firing":      {layerRecords, []string{"."}},
	"trigger/marker":      {layerRecords, []string{".", "internal/confine"}},
	"trigger/schedule":    {layerRecords, []string{"."}},
	"trigger/selection":   {layerRecords, []string{".", "internal/confine"}},

	"transfer":          {layerMechanism, []string{".", "internal/blake3", "internal/confine", "journal", "protocol", "journal/ledger"}},
	"transfer/marks":    {layerMechanism, []string{".", "internal/blake3", "internal/confine", "transfer/delta"}},
	"transfer/preserve": {layerMechanism, []string{".", "internal/confine", "internal/names", "internal/xattr", "protocol/xattr"}},
	"transfer/look":     {layerMechanism, []string{"internal/confine"}},
	"transfer/scan": {layerMechanism, []string{
		"transfer/preserve",
		".", "internal/blake3", "internal/confine", "internal/names", "internal/siphash", "transfer/look", "trigger/selection", "github.com/bmatcuk/doublestar",
	}},
	"transfer/delta": {layerMechanism, []string{".", "github.com/zeebo/blake3", "golang.org/x/sys"}},
	"transfer/sender": {layerMechanism, []string{
		"transfer/sender/linked",
		"transfer/preserve",
		".", "transfer/throttle", "internal/blake3", "internal/confine", "internal/ring", "protocol", "protocol/listing", "transfer", "transfer/compress", "transfer/scan",
		"transfer/sender/patch", "transfer/sender/walk", "trigger/selection", "golang.org/x/sync",
	}},
	"transfer/compress": {layerMechanism, []string{".", "protocol", "protocol/zframe"}},
	"transfer/sender/patch": {layerMechanism, []string{
		".", "internal/confine", "protocol", "protocol/patch", "transfer", "transfer/delta", "golang.org/x/sync",
	}},
	"transfer/sender/walk": {layerMechanism, []string{
		".", "internal/confine", "internal/ring", "protocol", "protocol/listing", "transfer", "transfer/look", "transfer/scan", "trigger/selection",
	}},
	"transfer/mirror": {layerMechanism, []string{
		".", "internal/confine", "journal", "protocol", "protocol/listing", "transfer", "transfer/look", "transfer/scan", "transfer/staging/publish", "transfer/staging/versions", "journal/ledger",
	}},
	"transfer/resident": {layerMechanism, []string{
		"transfer/preserve",
		".", "internal/confine", "protocol", "protocol/listing", "transfer", "transfer/look", "transfer/scan",
	}},
	"transfer/receiver": {layerMechanism, []string{
		".", "internal/confine", "internal/ring", "journal", "protocol", "protocol/listing", "protocol/patch", "transfer",
		"transfer/delta", "transfer/mirror", "transfer/receiver/intake", "transfer/receiver/known", "transfer/receiver/landing",
		"transfer/receiver/outcome", "transfer/receiver/rebuild", "transfer/receiver/remember", "transfer/receiver/reply", "transfer/receiver/wire", "transfer/resident", "transfer/staging",
		"transfer/staging/publish", "transfer/staging/versions", "trigger/selection", "golang.org/x/sync", "journal/ledger",
	}},
	"transfer/receiver/intake": {layerMechanism, []string{".", "internal/blake3", "protocol", "protocol/zframe", "transfer"}},
	"transfer/receiver/landing": {layerMechanism, []string{
		"transfer/staging/publish",
		".", "internal/confine", "protocol", "transfer", "transfer/delta", "transfer/receiver/rebuild", "transfer/staging",
	}},
	"transfer/receiver/rebuild":  {layerMechanism, []string{"protocol", "protocol/patch", "transfer", "transfer/delta"}},
	"transfer/receiver/remember": {layerMechanism, []string{"internal/confine", "protocol", "transfer/delta"}},
	"transfer/receiver/reply":    {layerMechanism, []string{".", "protocol", "transfer"}},
	"transfer/receiver/outcome":  {layerMechanism, []string{"."}},
	"transfer/receiver/wire":     {layerMechanism, []string{".", "protocol", "protocol/zframe", "transfer"}},
	"transfer/receiver/known":    {layerMechanism, []string{".", "protocol", "transfer"}},
	"transfer/staging": {layerMechanism, []string{
		"transfer/staging/linked",
		".", "internal/confine", "journal", "protocol", "transfer", "transfer/staging/aside", "transfer/staging/owner",
		"transfer/preserve", "transfer/staging/publish", "transfer/staging/recovery", "transfer/staging/versions", "transfer/staging/withdraw", "journal/ledger",
	}},
	"transfer/staging/recovery": {layerMechanism, []string{".", "internal/confine", "journal", "journal/ledger", "transfer", "transfer/staging/publish", "transfer/staging/withdraw"}},
	"transfer/sender/linked":    {layerMechanism, []string{"internal/confine", "protocol/listing"}},
	"transfer/staging/linked":   {layerMechanism, []string{".", "internal/confine", "protocol/listing", "transfer", "transfer/staging/publish"}},
	"transfer/staging/withdraw": {layerMechanism, []string{".", "internal/confine", "journal", "transfer"}},
	"transfer/staging/aside":    {layerMechanism, []string{".", "protocol"}},
	"transfer/staging/publish":  {layerMechanism, []string{".", "internal/confine", "journal", "journal/ledger", "transfer/staging/versions"}},
	"transfer/staging/versions": {layerMechanism, []string{".", "internal/confine"}},
	"transfer/staging/owner":    {layerMechanism, []string{".", "journal"}},
	"link": {layerMechanism, []string{
		".", "identity", "link/bundle", "link/dataconn", "link/entrance", "link/hello", "link/join", "link/path", "link/rendezvous", "link/stream",
		"link/transport", "link/wire", "protocol",
	}},
	"link/bundle":   {layerMechanism, []string{"."}},
	"link/dataconn": {layerMechanism, []string{".", "identity", "link/stream", "link/transport", "protocol"}},
	"link/entrance": {layerMechanism, []string{".", "link/dataconn", "link/gate", "link/transport"}},
	"link/network": {layerMechanism, []string{
		".", "identity/holder", "internal/plain", "internal/post", "internal/restrict", "link/entrance", "link/gate", "link/path", "link/transport",
	}},
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
		".", "agent/admission", "agent/applied", "agent/arrival", "agent/canary", "agent/conduct", "agent/config", "agent/courier", "agent/dispatch", "agent/exits", "agent/exits/launch", "agent/farend", "agent/inquiry", "agent/notice", "agent/order", "agent/trace",
		"agent/pairing", "agent/queue", "agent/route", "agent/source", "agent/trail", "agent/turn", "agent/upkeep", "agent/view", "exchange", "exchange/mailbox", "agent/foreman", "agent/seat",
		"agent/telemetry",
		"exchange/talk", "identity", "internal/confine", "internal/resident", "internal/restrict", "journal", "link", "link/transport", "protocol", "transfer", "transfer/receiver",
		"transfer/marks", "transfer/sender", "transfer/staging", "golang.org/x/sync", "journal/ledger",
	}},
	"agent/seat": {layerRole, []string{
		".", "agent/config", "internal/plain",
	}},
	"agent/foreman/supervised": {layerRole, []string{".", "agent/seat", "agent/supervisor", "internal/plain", "internal/post", "internal/restrict"}},
	"agent/foreman": {layerRole, []string{
		"transfer/staging/recovery",
		".", "internal/watch", "internal/restrict", "protocol/rehearsal", "agent/rehearsal/scene", "agent/departure/clearing", "internal/confine", "agent/lookout", "agent/seat", "agent/source", "agent/supervisor", "agent/worker/errand", "internal/plain", "internal/post", "journal", "journal/batch", "journal/ledger", "link/dataconn", "protocol", "transfer", "transfer/receiver", "transfer/receiver/remember", "transfer/sender", "transfer/staging", "trigger", "trigger/marker",
	}},
	"agent/supervisor": {layerRole, []string{
		".", "agent/config", "agent/exits/launch", "agent/seat", "agent/worker", "internal/plain", "internal/post", "internal/restrict", "link/network", "link/transport",
	}},
	"agent/worker": {layerRole, []string{
		"transfer/staging/recovery",
		".", "internal/watch", "transfer/throttle", "protocol/rehearsal", "agent/rehearsal/scene", "agent/departure/clearing", "agent/lookout", "agent/source", "agent/worker/errand", "internal/confine", "internal/plain", "internal/post", "internal/restrict", "journal", "journal/batch", "journal/ledger", "link/bundle", "link/dataconn", "protocol", "transfer", "transfer/delta", "transfer/receiver", "transfer/sender", "transfer/staging", "trigger", "trigger/marker",
	}},
	"agent/worker/errand": {layerRole, []string{
		".", "trigger/pace", "agent/departure/clearing", "internal/confine", "internal/plain", "internal/post", "journal", "journal/ledger", "protocol", "transfer", "transfer/delta", "trigger", "trigger/marker",
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
	"agent/admission":       {layerRole, []string{".", "journal", "protocol", "transfer"}},
	"agent/arrival": {layerRole, []string{
		".", "agent/lookout", "agent/trail", "internal/confine", "internal/siphash", "internal/watch", "journal", "journal/leaving", "transfer/scan", "trigger",
	}},
	"agent/exits": {layerRole, []string{
		".", "agent/exits/launch", "agent/exits/process", "agent/exits/rule", "agent/seat", "journal", "transfer/staging/publish", "golang.org/x/sync",
	}},
	"agent/exits/launch":  {layerRole, []string{".", "agent/exits/process", "agent/exits/rule", "agent/seat", "internal/plain", "internal/post", "internal/restrict"}},
	"agent/exits/process": {layerPlumbing, []string{".", "internal/restrict", "golang.org/x/sys"}},
	"agent/exits/rule":    {layerRecords, []string{"."}},
	"agent/notice":        {layerRole, []string{".", "agent/trail", "journal", "link", "protocol"}},
	"agent/order": {layerRole, []string{
		"protocol",
		".", "agent/source", "agent/trail", "journal", "transfer", "github.com/google/uuid",
	}},
	"agent/pairing":             {layerRole, []string{".", "agent/config", "identity", "link"}},
	"agent/queue":               {layerRole, []string{".", "transfer"}},
	"agent/source":              {layerRole, []string{"transfer/preserve", ".", "internal/confine", "transfer", "transfer/scan", "trigger", "trigger/selection"}},
	"agent/lookout":             {layerRole, []string{".", "agent/rehearsal/scene", "agent/departure/clearing", "agent/source", "internal/confine", "internal/siphash", "internal/watch", "transfer/scan", "trigger", "trigger/marker"}},
	"agent/guard":               {layerRole, []string{".", "agent/exits/launch", "agent/exits/process"}},
	"agent/trail":               {layerRole, []string{".", "journal", "protocol", "transfer"}},
	"agent/turn":                {layerRole, []string{"."}},
	"agent/upkeep":              {layerRole, []string{"transfer/staging/publish", ".", "journal", "transfer/staging", "journal/ledger"}},
	"agent/departure":           {layerRole, []string{".", "agent/departure/clearing", "agent/trail", "internal/confine", "journal", "journal/leaving"}},
	"agent/rehearsal/scene":     {layerRole, []string{".", "agent/source", "internal/confine", "protocol/rehearsal", "transfer", "transfer/scan", "trigger/selection"}},
	"agent/conduct/explanation": {layerRole, []string{".", "agent/arrival", "trigger"}},
	"trigger/pace":              {layerRecords, []string{".", "trigger/schedule"}},
	"transfer/throttle":         {layerMechanism, []string{"trigger/pace"}},
	"agent/departure/clearing":  {layerMechanism, []string{".", "internal/blake3", "internal/confine", "journal/leaving"}},

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
		".", "agent/config/collector", "agent/config/command", "agent/config/content", "agent/config/end", "agent/config/expect", "agent/config/leaf", "agent/config/markers", "agent/config/releases", "agent/config/storage", "agent/config/strict", "agent/config/when", "identity", "internal/confine/filesys", "trigger", "go.yaml.in/yaml",
	}},
	"agent/config/leaf": {layerRole, []string{".", "agent/config/strict", "identity", "trigger", "trigger/schedule"}},
	"agent/canary":      {layerRole, []string{".", "agent/conduct", "agent/order", "agent/route", "agent/source", "internal/confine", "journal", "protocol"}},
	"agent/almanac":     {layerRole, []string{".", "agent/config/when", "trigger/expectation", "trigger/firing", "trigger/pace", "trigger/schedule"}},
	"agent/conduct": {layerRole, []string{
		".", "trigger/pace", "transfer/throttle", "agent/conduct/explanation", "agent/conduct/outcome", "agent/almanac", "agent/arrival", "agent/conduct/orders", "agent/departure", "agent/exits/launch", "agent/failover", "agent/farend", "agent/group", "agent/guard", "agent/lookout", "agent/rehearsal", "agent/source", "agent/trail", "journal", "journal/leaving", "journal/runs",
		"protocol/marking", "protocol/rehearsal", "transfer/sender", "trigger", "trigger/expectation", "trigger/firing", "trigger/marker",
		"trigger/schedule", "trigger/selection", "github.com/google/uuid",
	}},
	"agent/conduct/orders":  {layerRole, []string{".", "journal"}},
	"agent/conduct/outcome": {layerRole, []string{".", "journal"}},
	"agent/failover":        {layerRole, []string{".", "agent/group", "agent/trail", "journal", "journal/leaving", "trigger/firing"}},
	"agent/group":           {layerRole, []string{".", "agent/farend", "journal", "trigger/marker"}},
	"agent/rehearsal": {layerRole, []string{
		".", "agent/inquiry/question", "agent/rehearsal/scene", "agent/arrival", "agent/source", "internal/confine", "protocol", "protocol/rehearsal", "transfer", "transfer/mirror", "transfer/scan", "trigger/selection", "github.com/google/uuid",
	}},
	"agent/farend":           {layerRole, []string{".", "agent/inquiry/question", "journal", "protocol", "protocol/marking", "trigger/marker", "github.com/google/uuid"}},
	"agent/config/collector": {layerRole, []string{"agent/config/storage"}},
	"agent/config/markers":   {layerRole, []string{".", "agent/config/leaf", "agent/config/strict"}},
	"agent/config/content":   {layerRole, []string{".", "agent/config/leaf", "agent/config/storage", "agent/config/strict", "trigger"}},
	"agent/config/end":       {layerRole, []string{".", "agent/config/leaf", "agent/config/strict"}},
	"agent/config/when":      {layerRole, []string{".", "agent/config/storage", "agent/config/leaf", "agent/config/strict", "internal/confine/filesys", "trigger/schedule"}},
	"agent/config/expect":    {layerRole, []string{".", "agent/config/leaf", "agent/config/storage"}},
	"agent/config/storage":   {layerRole, []string{"agent/config/leaf", "internal/confine/filesys"}},
	"agent/config/strict":    {layerRole, []string{"go.yaml.in/yaml"}},
	"agent/localapi": {layerRole, []string{
		".", "agent", "agent/applied", "agent/localapi/channel", "agent/localapi/opaque", "agent/localapi/route", "agent/localapi/socket", "agent/order", "agent/pairing", "agent/telemetry", "agent/trace", "exchange/relay/server", "internal/restrict", "journal",
	}},
	"agent/applied":          {layerRole, []string{".", "agent/config", "internal/durable"}},
	"agent/trace":            {layerRole, []string{".", "agent/inquiry/question", "agent/localapi/opaque", "internal/confine", "journal", "protocol", "protocol/tracing", "golang.org/x/sync"}},
	"agent/inquiry/question": {layerRole, []string{".", "protocol"}},
	"agent/inquiry":          {layerRole, []string{".", "agent/admission", "agent/farend", "agent/foreman", "agent/rehearsal", "agent/trace", "link", "protocol"}},
	"agent/localapi/channel": {layerRole, []string{
		".", "agent/conduct/explanation", "agent/applied", "agent/canary", "agent/conduct", "agent/conduct/orders", "agent/group", "agent/localapi/opaque", "agent/localapi/route", "agent/rehearsal", "agent/view", "journal", "journal/runs", "trigger",
		"trigger/firing",
	}},
	"agent/localapi/opaque": {layerRole, nil},
	"agent/localapi/route":  {layerRole, []string{"."}},
	"agent/localapi/socket": {layerRole, []string{".", "golang.org/x/sys"}},

	"cmd/mft": {layerCommand, []string{
		"agent/foreman/supervised",
		".", "agent/config", "agent/config/leaf", "agent/localapi", "agent/localapi/opaque", "agent/pairing", "protocol", "cmd/mft/argument", "cmd/mft/channel", "cmd/mft/daemon", "cmd/mft/doctor", "cmd/mft/exchange",
		"cmd/mft/exit", "cmd/mft/follow", "cmd/mft/progress", "cmd/mft/publish", "cmd/mft/quickstart", "cmd/mft/settings", "cmd/mft/show", "cmd/mft/unit", "cmd/mft/upgrade", "agent/exits/process", "agent/foreman", "cmd/mft/sandbox", "cmd/mft/crew",
		"cmd/mft/daemon/trial", "cmd/mft/edition", "identity/holder/process", "link/network", "github.com/spf13/cobra", "github.com/spf13/pflag",
	}},
	"cmd/mft/crew": {layerCommand, []string{
		"agent/foreman/supervised",
		".", "internal/restrict", "agent/config", "agent/exits/launch", "agent/foreman", "agent/pairing", "agent/seat", "agent/supervisor", "agent/worker", "internal/post", "link/network", "github.com/spf13/cobra", "golang.org/x/sync",
	}},
	"cmd/mft/argument": {layerCommand, []string{".", "agent/config", "agent/config/leaf", "cmd/mft/exit", "github.com/spf13/cobra", "github.com/spf13/pflag"}},
	"cmd/mft/daemon": {layerCommand, []string{
		"agent/foreman/supervised",
		".", "agent", "agent/config", "agent/handover", "agent/localapi", "agent/localapi/route", "agent/telemetry", "cmd/mft/daemon/trial", "cmd/mft/depot", "journal", "journal/spare", "agent/foreman",
		"agent/exits/launch", "agent/exits/process", "agent/seat", "identity", "identity/holder/process", "identity/statefile", "internal/restrict",
		"link", "link/network", "release", "release/place", "golang.org/x/sync",
	}},
	"cmd/mft/daemon/trial": {layerCommand, []string{"."}},
	"cmd/mft/channel": {layerCommand, []string{
		".", "agent/applied", "agent/canary", "agent/conduct", "agent/conduct/orders", "agent/localapi", "agent/localapi/channel", "agent/localapi/opaque", "agent/localapi/route", "agent/rehearsal", "cmd/mft/argument", "cmd/mft/exit",
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
		"exchange/relay", "exchange/relay/server", "exchange/relay/store", "exchange/relay/wire", "identity", "internal/confine/filesys", "internal/durable", "link/transport",
	}},
	"cmd/mft/exchange": {layerCommand, []string{
		".", "agent/config", "agent/config/storage", "cmd/mft/argument", "cmd/mft/depot", "cmd/mft/exit", "cmd/mft/progress", "cmd/mft/show",
		"exchange", "exchange/azure/roles", "exchange/probe", "github.com/spf13/cobra",
	}},
	"cmd/mft/settings": {layerCommand, []string{".", "agent/config", "agent/exits", "cmd/mft/argument", "github.com/spf13/cobra"}},
	"cmd/mft/doctor": {layerCommand, []string{
		".", "agent/config", "agent/config/storage", "agent/exits", "agent/localapi", "agent/localapi/route", "agent/telemetry", "cmd/mft/depot", "cmd/mft/progress",
		"internal/confine", "internal/confine/filesys", "internal/restrict", "golang.org/x/sys",
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
	"cmd/mft/show": {layerCommand, []string{".", "agent/localapi", "agent/telemetry", "agent/trace", "cmd/mft/progress", "exchange/relay/server", "internal/restrict"}},

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
	"agent/foreman/supervised -> agent/seat":                 "what is asked of a supervisor has one form",
	"agent/foreman/supervised -> agent/supervisor":           "what is asked of a supervisor has one form",
	"transfer/staging/linked -> transfer":                    "what breaks the protocol is called by one name",
	"transfer/staging/linked -> transfer/staging/publish":    "what concerns one item is told there",
	"transfer/staging -> transfer/preserve":                  "what is preserved is given in one way",
	"transfer/resident -> transfer/preserve":                 "what is preserved is compared as it is given",
	"transfer/scan -> transfer/preserve":                     "what is preserved is read in one way",
	"transfer/sender -> transfer/preserve":                   "what is preserved is said by the offer",
	"transfer/staging/recovery -> transfer":                  "what a receive has delivered is known by its ledger",
	"transfer/staging/recovery -> transfer/staging/publish":  "what is published late is published in the same way",
	"transfer/staging/recovery -> transfer/staging/withdraw": "canaries that were delivered are withdrawn",
	"transfer/receiver/landing -> transfer/staging/publish":  "what concerns one item is told there",
	"protocol/xattr -> protocol/internal/wire":               "fields have one form in all messages",
	"link/entrance -> link/dataconn":                         "what comes in is bounded, and read",
	"link/entrance -> link/gate":                             "what comes in is bounded, and read",
	"link/entrance -> link/transport":                        "what comes in is bounded, and read",
	"link/network -> link/entrance":                          "the process does for the agent what this does in it",
	"link/network -> link/gate":                              "the process does for the agent what this does in it",
	"link/network -> link/path":                              "the process does for the agent what this does in it",
	"link/network -> link/transport":                         "the process does for the agent what this does in it",
	"transfer/sender -> transfer":                            "both ends hold to what package transfer agrees on",
	"protocol/zframe -> protocol":                            "what is compressed is a frame",
	"protocol/zframe -> protocol/internal/wire":              "fields have one form in all messages",
	"transfer/sender -> transfer/compress":                   "what is compressed is decided there",
	"transfer/sender -> transfer/scan":                       "what is sent is what the scan finds",
	"transfer/receiver -> transfer":                          "both ends hold to what package transfer agrees on",
	"transfer/receiver -> transfer/resident":                 "what is there already is known there",
	"transfer/receiver -> transfer/mirror":                   "what is to be removed is known and removed there",
	"transfer/receiver/wire -> transfer":                     "both ends hold to what package transfer agrees on",
	"transfer/mirror -> transfer":                            "what breaks the protocol is called by one name",
	"transfer/mirror -> transfer/staging/publish":            "what is renamed instead of sent is on record as what is delivered",
	"transfer/mirror -> transfer/staging/versions":           "old versions are told from other files there",
	"transfer/receiver -> transfer/staging/versions":         "so is what a bound of them means",
	"transfer/staging/publish -> transfer/staging/versions":  "what is replaced is set aside by names that have one home",
	"transfer/receiver/reply -> transfer":                    "the conversation has one home",
	"transfer/receiver/known -> transfer":                    "what a receive needs of the journal has one home",
	"journal/ledger -> journal":                              "what one receive reads and writes is part of the journal",
	"transfer/receiver -> transfer/staging/publish":          "what was renamed is told from what was delivered",
	"transfer/scan -> transfer/look":                         "what was seen is not looked at again",
	"transfer/sender/walk -> transfer/look":                  "what was seen is not looked at again",
	"transfer/resident -> transfer/look":                     "what was seen is not looked at again",
	"transfer/mirror -> transfer/look":                       "what was seen is not looked at again",
	"transfer/mirror -> transfer/scan":                       "the names of staging have one home",
	"transfer/resident -> transfer":                          "what breaks the protocol is called by one name",
	"transfer/resident -> transfer/scan":                     "directories are the same if both ends list them alike",
	"transfer/sender/walk -> transfer":                       "what breaks the protocol is called by one name",
	"transfer/sender/walk -> transfer/scan":                  "what is sent is what the scan finds",
	"protocol/listing -> protocol/internal/wire":             "fields have one form in all messages",
	"protocol/listing -> protocol":                           "the limits of the protocol have one home",
	"protocol/rehearsal -> protocol/internal/wire":           "fields have one form in all messages",
	"protocol/rehearsal -> protocol":                         "items and the limits of the protocol have one home",
	"protocol/marking -> protocol/internal/wire":             "fields have one form in all messages",
	"protocol/marking -> protocol":                           "the limits of the protocol have one home",
	"transfer/receiver -> transfer/staging":                  "what has landed is committed there",
	"transfer/staging -> transfer":                           "what breaks the protocol is called by one name",
	"agent/exits/process -> internal/restrict":               "a command is confined by the walls that all processes have",
	"internal/confine/beneath -> internal/confine/entries":   "what is done to every small file is kept apart, for it is written for speed",
	"internal/confine/beneath -> internal/confine/filesys":   "the facts of a file system have one home",
	"internal/confine/entries -> internal/confine/filesys":   "the facts of a file system have one home",
	"internal/durable -> internal/confine/filesys":           "the facts of a file system have one home",
	"agent/arrival -> agent/trail":                           "what a channel found and the transfer that sends it are told in one transaction",
	"agent/notice -> agent/trail":                            "that a peer was told is part of the story of the transfer",
	"agent/config/command -> agent/config/strict":            "every section is read in one way",
	"agent/pairing -> agent/config":                          "the configuration pins peers and grants",
	"agent/localapi -> agent":                                "the local socket is the agent's front door, and the agent does not know of it",
	"identity/holder -> identity/keyring":                    "the keys that another process has are those of a ring",
	"identity/holder -> identity/sealing":                    "letters are opened where the keys are",
	"identity/holder -> protocol":                            "only envelopes as protocol lays them out are signed",
	"identity/holder/process -> identity/holder":             "the process answers what is asked of it there",
	"identity/holder/process -> identity/keyring":            "the keys that another process has are those of a ring",
	"identity/holder/process -> identity/sealing":            "letters are opened where the keys are",
	"identity/keyring -> identity/sealing":                   "a new sealing key is stated by the signing key that comes with it",
	"identity/keyring -> identity/statefile":                 "keys and peers lie in files of the same kind",
	"link/join -> link/transport":                            "pairing speaks the same TLS as everything else",
	"link/dataconn -> link/stream":                           "what is handed over is ready for bulk content",
	"link/hello -> link/transport":                           "errors of a connection have one home",
	"link/dataconn -> link/transport":                        "data connections speak the same TLS as everything else",
	"link/stream -> link/path":                               "a connection is prepared for the path that it takes",
	"agent/seat -> agent/config":                             "places are those of the configuration",
	"agent/arrival -> agent/lookout":                         "what lies at a source is seen there",
	"agent/conduct -> agent/exits/launch":                    "who runs the check of a guard is chosen with the channel",
	"agent/conduct -> agent/lookout":                         "who looks at a source is chosen with the channel",
	"agent/lookout -> agent/rehearsal/scene":                 "what a mirror would send is seen there",
	"agent/rehearsal/scene -> agent/source":                  "what a mirror sends is opened there",
	"agent/foreman -> agent/rehearsal/scene":                 "a worker's look at it is one of two",
	"agent/worker -> agent/rehearsal/scene":                  "a worker looks as the agent would",
	"transfer/sender -> transfer/throttle":                   "a channel's bandwidth is kept where content is written",
	"trigger/pace -> trigger/schedule":                       "working days are known there",
	"agent/config/when -> agent/config/storage":              "sizes are written in one way",
	"agent/conduct/explanation -> agent/arrival":             "what lies at the source, and why it moves, is known there",
	"agent/localapi/channel -> agent/conduct/explanation":    "the answers to who asks why are written there",
	"agent/foreman -> agent/lookout":                         "a worker's is one of two that look",
	"agent/worker -> agent/lookout":                          "a worker looks as the agent would",
	"agent/lookout -> agent/source":                          "whether a source is sound is known there",
	"agent/foreman -> agent/seat":                            "workers are asked for by their places",
	"agent/foreman -> agent/source":                          "what is sent is opened there, by whoever sends it",
	"agent/foreman -> agent/supervisor":                      "what it answers has one home",
	"agent/foreman -> agent/worker/errand":                   "both ends of an errand hold to it",
	"agent/supervisor -> agent/config":                       "its own reading of the configuration decides",
	"agent/supervisor -> agent/seat":                         "workers are asked for by their places",
	"agent/supervisor -> agent/exits/launch":                 "what the process of a command is told first has one home",
	"agent/exits -> agent/seat":                              "processes of commands are asked for by the number of the exit",
	"agent/exits/launch -> agent/seat":                       "processes of commands are asked for by the number of the exit",
	"agent/guard -> agent/exits/launch":                      "whoever the check of a guard runs as, it runs as commands of exits do",
	"agent/supervisor -> agent/worker":                       "what a worker is told first has one home",
	"agent/worker -> agent/source":                           "what is sent is opened there, by whoever sends it",
	"agent/order -> agent/source":                            "an order is refused at once when what it sends is not there",
	"agent/order -> agent/trail":                             "a transfer and the story of how it was ordered are told in one transaction",
	"agent/localapi -> agent/order":                          "whoever gives an order makes the ids of its transfers",
	"agent/localapi -> agent/pairing":                        "peers are shown as pairing describes them",
	"identity -> protocol":                                   "a signature covers an envelope as protocol lays it out, and nothing else is ever signed",
	"agent/config/collector -> agent/config/storage":         "where a secret lies is said in one way",
	"agent/telemetry -> agent/config/collector":              "the section of the file is what an exporter is made of",
	"agent/telemetry/attribute -> agent/telemetry/span":      "what is said of a span is named there",
	"agent/telemetry/insights -> agent/config/collector":     "connection strings are read where the file is",
	"agent/telemetry/insights -> agent/telemetry/attribute":  "all destinations use the same names",
	"agent/telemetry/insights -> agent/telemetry/post":       "all destinations are posted to in one way",
	"agent/telemetry/insights -> agent/telemetry/span":       "spans are sent",
	"agent/telemetry/otlp -> agent/telemetry/attribute":      "all destinations use the same names",
	"agent/telemetry/otlp -> agent/telemetry/post":           "all destinations are posted to in one way",
	"agent/telemetry/otlp -> agent/telemetry/span":           "spans are sent",
	"agent/telemetry/otlp -> agent/telemetry/tally":          "sums are sent",
	"agent/telemetry/tally -> agent/telemetry/attribute":     "all destinations use the same names",
	"agent/telemetry/tally -> agent/telemetry/span":          "that a transfer has ended is said by its span",
	"agent/localapi -> agent/telemetry":                      "how telemetry does is shown as it describes itself",

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
	"agent/config/content -> agent/config/leaf":              "a value of one word is read in one way",
	"agent/config/content -> agent/config/storage":           "a size is read in one way",
	"agent/config/content -> agent/config/strict":            "sections are read by it",
	"agent/config/end -> agent/config/leaf":                  "a value of one word is read in one way",
	"agent/config/end -> agent/config/strict":                "every section is read in one way",
	"agent/config/expect -> agent/config/leaf":               "a value of one word is read in one way",
	"agent/config/expect -> agent/config/storage":            "a size is read in one way",
	"agent/config/markers -> agent/config/leaf":              "a value of one word is read in one way",
	"agent/config/markers -> agent/config/strict":            "every section is read in one way",
	"agent/config/storage -> agent/config/leaf":              "a value of one word is read in one way",
	"agent/config/when -> agent/config/leaf":                 "a value of one word is read in one way",
	"agent/config/when -> agent/config/strict":               "sections are read by it",
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
	"journal/leaving -> journal/database":                    "what leaves a source is kept in a table beside the others",
	"journal/runs -> journal/database":                       "runs are kept in tables beside the others",
	"journal/form -> journal/database":                       "what a schema is, is known there",
	"agent/canary -> agent/conduct":                          "what a channel needs of both ends is tried there",
	"agent/canary -> agent/order":                            "a canary is ordered as all transfers are",
	"agent/canary -> agent/source":                           "the source of a channel is listed there",
	"agent/canary -> agent/route":                            "each way to a peer is tried",
	"agent/localapi/channel -> agent/canary":                 "channels are tested there",
	"transfer/staging/withdraw -> transfer":                  "what a receive has delivered is known by its ledger",
	"agent/conduct -> agent/arrival":                         "a run sends what the source of the channel has",
	"agent/localapi/channel -> agent/conduct/orders":         "verbs are said in one way",
	"agent/conduct -> agent/group":                           "which member of a server group a run leads to is found there",
	"agent/conduct -> agent/failover":                        "a run that goes on elsewhere does so there",
	"agent/failover -> agent/group":                          "who is active is known there",
	"agent/failover -> agent/trail":                          "that a transfer takes the place of another is part of its story",
	"agent/group -> agent/farend":                            "members are asked over the link like markers of other hosts",
	"agent/conduct -> agent/rehearsal":                       "what a run would do is found there",
	"agent/rehearsal -> agent/arrival":                       "what a channel would send is known there",
	"agent/rehearsal -> agent/source":                        "what a mirror sends is opened there",
	"agent/localapi/channel -> agent/rehearsal":              "verdicts are said in one way",
	"agent/conduct -> agent/farend":                          "markers of other hosts are known there",
	"agent/conduct -> agent/almanac":                         "what is due by the clock is known there",
	"agent/almanac -> agent/config/when":                     "a file of holidays is read in one way",
	"agent/conduct -> agent/departure":                       "what was delivered leaves the source between two steps of the channel",
	"agent/departure -> agent/trail":                         "what became of a file at its source is part of the story of the transfer",
	"agent/conduct -> agent/guard":                           "a run begins when the guard lets it",
	"agent/conduct -> agent/source":                          "it says where the source of a channel lies",
	"agent/conduct -> agent/trail":                           "what a source sends is told there",
	"agent/handover -> agent/localapi/route":                 "errors cross both sockets in one form",
	"agent/handover -> agent/localapi/socket":                "both sockets say in one way who may use them",
	"cmd/mft/upgrade -> cmd/mft/daemon":                      "the program that runs is known in one way",
	"cmd/mft/upgrade -> cmd/mft/argument":                    "all commands are typed in one way",
	"cmd/mft/unit -> cmd/mft/daemon":                         "the program that runs is known in one way",
	"cmd/mft/unit -> cmd/mft/argument":                       "all commands are typed in one way",
	"cmd/mft/channel -> cmd/mft/argument":                    "all commands are typed in one way",
	"cmd/mft/channel -> cmd/mft/show":                        "all commands print tables in one way",
	"agent/farend -> agent/inquiry/question":                 "peers are asked in one way",
	"agent/rehearsal -> agent/inquiry/question":              "peers are asked in one way",
	"agent/trace -> agent/inquiry/question":                  "peers are asked in one way",
	"agent/inquiry -> agent/admission":                       "peers are refused in one way",
	"agent/inquiry -> agent/farend":                          "it answers for markers",
	"agent/inquiry -> agent/foreman":                         "who looks for a peer is found there",
	"agent/inquiry -> agent/rehearsal":                       "it answers for runs that are not made",
	"agent/inquiry -> agent/trace":                           "it answers where a file is",
	"protocol/tracing -> protocol/internal/wire":             "fields have one form in all messages",
	"protocol/tracing -> protocol":                           "the limits of the protocol have one home",
	"agent/localapi -> agent/trace":                          "where a file is is found there",
	"agent/trace -> agent/localapi/opaque":                   "names have one form in JSON",
	"agent/applied -> agent/config":                          "channels are written in one way",
	"agent/localapi -> agent/applied":                        "what is applied is kept there",
	"agent/localapi/channel -> agent/applied":                "what is applied is kept there",
	"agent/localapi/channel -> agent/conduct":                "what operators order of channels is done there",
	"agent/localapi/channel -> agent/group":                  "who is active in a server group is known there",
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
