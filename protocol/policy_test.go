package protocol

import (
	"pgregory.net/rapid"

	"mft.dev/mft"
)

func drawFlag(t *rapid.T) bool { return rapid.Bool().Draw(t, "flag") }

func drawSalt(t *rapid.T) [16]byte {
	return [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "salt"))
}

func drawCompare(t *rapid.T) mft.Compare {
	return rapid.SampledFrom([]mft.Compare{mft.CompareNone, mft.CompareQuick, mft.CompareContent}).Draw(t, "compare")
}

func drawCompress(t *rapid.T) mft.Compress {
	return rapid.SampledFrom([]mft.Compress{mft.CompressNever, mft.CompressAuto, mft.CompressAlways}).Draw(t, "compress")
}

func drawMirror(t *rapid.T) mft.Mirror {
	if !drawFlag(t) {
		return mft.Mirror{}
	}
	return mft.Mirror{
		On: true, MaxFiles: rapid.Int64Range(-1, 1<<40).Draw(t, "most files"), MaxPercent: rapid.IntRange(-1, 100).Draw(t, "most percent"),
	}
}

func drawBasis(t *rapid.T) mft.Basis {
	return mft.Basis{Present: drawFlag(t), Listings: drawFlag(t), Owners: drawFlag(t), SetID: drawFlag(t), Dirs: drawFlag(t), Salt: drawSalt(t)}
}
