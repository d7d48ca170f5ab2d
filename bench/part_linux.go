package main

import (
	"context"
	"errors"
	"fmt"

	"mft.dev/mft/bench/contender/bare"
	"mft.dev/mft/bench/faraway"
	"mft.dev/mft/bench/limit"
)

// part plays a part in a measurement, if that is what the program was started
// for: the limits of the machine are processes of their own, and a program that
// shall run in another network namespace is started there by this one.
func part(args []string) (done bool, err error) {
	if len(args) == 0 {
		return false, nil
	}
	if args[0] == "within" && len(args) > 2 {
		return true, faraway.Enter(args[1], args[2:])
	}
	ctx := context.Background()
	need := map[string]int{"limit-receive": 2, "limit-send": 4, "limit-digest": 2, "bare-upload": 4, "bare-download": 4}[args[0]]
	if need == 0 {
		return false, nil
	}
	if len(args) != need {
		return true, errors.New(args[0] + " is a part of a measurement, which is started with other arguments")
	}
	switch args[0] {
	case "limit-receive":
		err = limit.Receive(ctx, "127.0.0.1:0", args[1], func(address, pin string) { fmt.Println(address, pin) })
	case "limit-send":
		err = limit.Send(ctx, args[1], args[2], args[3])
	case "limit-digest":
		_, err = limit.Digest(args[1])
	case "bare-upload":
		err = bare.Upload(ctx, bare.Account(args[1]), args[2], args[3])
	case "bare-download":
		err = bare.Download(ctx, bare.Account(args[1]), args[2], args[3])
	}
	return true, err
}
