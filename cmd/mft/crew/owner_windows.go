package crew

import "io/fs"

func ownerOf(fs.FileInfo) uint32 { return 0 }
