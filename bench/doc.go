// Command bench measures mft, as shipped, against what people use to move
// files, on this machine and in one run: two agents, rsync over ssh and as a
// daemon, scp, sftp, tar and rclone do the same work in turns, so that whatever
// else the machine does meets all of them; beside them stand the limits of the
// machine, which do less. Through a storage account azcopy and a loop around
// Azure's own library are measured too.
//
//	go run ./bench -quick                     everything, small, in a minute or two
//	go run ./bench                            everything in full size: hours
//	go run ./bench -only b -scale 0.2         one workload
//	go run ./bench -only c -against rsyncd    and two contenders
//	go run ./bench -markdown docs/performance.md -svg docs/performance.svg
//
// After every run the destination is compared with the source; who left
// something wrong gets no time. docs/performance.md says what the numbers mean
// and what they do not.
//
// It needs Linux and what interop/install-peers.sh installs. As root it works
// in a network namespace of its own, so that the bytes on loopback are its own;
// without, that column stays empty and the far away rows are left out. It
// listens on loopback only, keeps everything in a directory of its own and
// removes it. It refuses to be a test: numbers depend on the machine.
package main
