// Package route is how an order of a command comes to the function of the agent
// that answers it: HTTP/1.1 with JSON over a Unix socket.
//
// A package that has something to say brings its [Routes] for the agent, and
// functions over a [Client] for commands:
//
//	route.Routes{"GET /v1/keys": route.Answer(func(r *http.Request) (any, error) { return keys(), nil })}
//	keys, err := route.Get[Keys](ctx, client, "/v1/keys")
//
// Every error is an *mft.Error, also across the socket ([Problem]); without an
// agent on the socket its code is mft.CodeNotRunning. The package knows no order, and
// refuses to serve whom the socket does not admit.
package route
