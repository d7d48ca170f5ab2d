// Package holder is how an agent uses its private keys when they are in another
// process: the two ends of a connection over which one asks the other to sign, to
// open and to replace.
//
//	err := holder.Serve(conn, name, keeper, walls) // in the process that has the keys
//	c, err := holder.Open(conn)                    // in the agent
//	keys, err := identity.Held(name, c, c.Public())
//
// [Serve] signs only what an agent has to sign: what proves an end of a TLS 1.3
// connection, and envelopes of the protocol that parse, come from this agent and
// name the key that signs. It opens only letters. Everything else is refused with
// code mft.CodeNotSigned, and hands out no private key. So whoever takes over the
// agent can act as it while that lasts, but takes nothing away.
package holder
