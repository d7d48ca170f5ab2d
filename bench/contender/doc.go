// Package contender runs the programs that a benchmark compares: mft between
// two agents, what people use instead, and what the machine can do at best.
//
//	field, err := contender.Open(ctx, options)
//	defer field.Close()
//	for _, c := range field.Contenders() {
//		reading, err := c.Move(ctx, trip, look)
//	}
//
// Every peer has a configuration, keys and an address of its own and lives no
// longer than the field. The package refuses to judge what arrived, and to be
// kind: each program gets the options that a person would give it, and all
// have to keep times of modification where they can.
package contender
