// Package rig runs real agents on this machine for tests and measurements:
// the mft binary as processes, each with directories, a configuration and a
// loopback address of its own.
//
// [Build] makes the binary, [New] a [Host] whose agent does not run yet,
// [Pair] lets two hosts trust each other. Everything is said to mft as a
// person would say it, by commands and by files.
//
//	binary, err := rig.Build(ctx, dir)
//	alpha, err := rig.New(binary, filepath.Join(dir, "alpha"), "alpha")
//	err = alpha.Start(ctx)
//	defer alpha.Kill()
//	out, err := alpha.Mft(ctx, "status")
//
// The package refuses to look inside an agent. All but [FreeAddr] works on
// Linux only, and an agent dies with the process that started it. No part of
// mft itself imports it.
package rig
