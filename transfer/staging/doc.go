// Package staging brings items to their final names at the receiving end of a
// transfer, and recovers when that was interrupted.
//
//	area, err := staging.Open(ctx, options)       // settles what PREPARED batches an earlier attempt left
//	file, err := area.File(ctx, final, key, item) // a temporary file; fill it
//	err = area.Finish(file, item)                 // mode, times, owner
//	batch.Add(staging.Item{…})
//	good, bad, err := area.Commit(ctx, batch, nil)
//
// Its commit order is the promise of mft: see [Area.Commit]. [Recover] brings
// what a crash left between two steps to the one end that is right, [Discard]
// removes what is not needed any more.
//
// The package verifies no content and speaks to no peer. It acts below the
// landing's root only, through package confine; what it says about a path is
// relative to that root.
package staging
