module mft.dev/mft

go 1.26.0
