package protocol

import (
	"math"
	"time"

	"mft.dev/mft/protocol/internal/wire"
)

// Limits on messages. A message beyond one of them is refused.
const (
	// MaxControl is the largest payload of a control frame in bytes. Kinds
	// that need less are held to less.
	MaxControl = 256 << 10
	// MaxBody and MaxSignature bound the parts of an envelope in bytes.
	MaxBody      = 64 << 10
	MaxSignature = 4 << 10
	// MaxChannel is the longest name of a channel in bytes.
	MaxChannel = 255
	// MaxDetail is the longest sentence for people in bytes; longer ones are
	// cut when they are written.
	MaxDetail = wire.MaxDetail
	// MaxCode is the longest code in bytes.
	MaxCode = wire.MaxCode
	// MaxStreams is the most data connections that one transfer may use.
	MaxStreams = 16
	// MaxRetryIn is the longest wait that a Decision may ask for; longer ones
	// are cut when they are written.
	MaxRetryIn = 24 * time.Hour

	// MaxVersions, MaxSoftware and MaxAddress bound the parts of a Hello:
	// the number of versions, and the lengths in bytes.
	MaxVersions = 16
	MaxSoftware = 128
	MaxAddress  = 300

	// MaxClockSkew is by how much the clocks of two hosts may differ.
	MaxClockSkew = 10 * time.Minute
	// MaxLifetime is the longest time between issue and expiry of an
	// envelope, and so how long a receiver must remember its nonce.
	MaxLifetime = 14 * 24 * time.Hour
)

// Limits on data frames.
const (
	// MaxFrame is the largest payload of a data frame in bytes: a mebibyte of
	// content and room for what describes it.
	MaxFrame = MaxData + 64<<10
	// MaxData is the largest payload of a DATA frame in bytes.
	MaxData = 1 << 20
	// MaxSmall is the largest file in bytes that may travel in a PACK frame.
	MaxSmall = 256 << 10
	// CheckEvery is the most content in bytes that may follow on a file
	// without a CHECK frame.
	CheckEvery = 16 << 20
	// Window is the most items that may be announced and not yet settled,
	// and so the most verdicts or ranges in one frame.
	Window = 16384
	// MaxItems is the most items in one ITEMS frame. Paths share prefixes on
	// the wire, so that without this limit a small frame could unfold into
	// very much memory.
	MaxItems = 4096
	// ListingWindow is the most listings that are not answered yet, or in one
	// frame; MaxKept the most names that a LISTED frame keeps.
	ListingWindow = 4096
	MaxKept       = 1024
	// MaxMarks is the most bytes of marks in one MARKS or FINE frame.
	// AskWindow is the most ASK frames that are not answered yet, and
	// DeltaWindow the most files with the verdict Delta that have not ended.
	MaxMarks    = 256 << 10
	AskWindow   = 1024
	DeltaWindow = 4
	// MaxIndex is the largest index of an item.
	MaxIndex = math.MaxInt64 - 1

	// MaxPath, MaxTarget and MaxOwner bound, in bytes, the path of an item or
	// of a destination, where a symlink points, and the name of an owner or a
	// group.
	MaxPath   = wire.MaxPath
	MaxTarget = wire.MaxTarget
	MaxOwner  = wire.MaxOwner
	// MaxMode is the largest mode of an item.
	MaxMode = wire.MaxMode
)
