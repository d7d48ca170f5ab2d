package nats

import (
	"fmt"
	"slices"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/exchange/nats/cluster"
)

// Rights returns what an agent needs in the account, and no more, as permissions
// of a user in the configuration of a NATS server. noBox is for containers that
// lie elsewhere. It needs no connection.
func Rights(agent mft.AgentName, peers []mft.AgentName, noBox bool) (string, error) {
	if err := cluster.Fits("print rights of", agent); err != nil {
		return "", err
	}
	peers = slices.Clone(peers)
	slices.Sort(peers)
	var out strings.Builder
	fmt.Fprintf(&out, "# The user of the agent %s. Give each agent a user of its own in one account that has JetStream,\n"+
		"# and run the servers with `jetstream { sync_interval: always }`.\npermissions: {\n  publish: { allow: [\n", agent)
	put := func(why string, subjects ...string) {
		fmt.Fprintf(&out, "    # %s\n", why)
		for _, s := range subjects {
			fmt.Fprintf(&out, "    %q\n", s)
		}
	}
	q, b := queueStream(agent), boxStream(agent)
	put("take its letters, and put some to itself", queueOf(agent), "$JS.API.CONSUMER.MSG.NEXT."+q+"."+consumer, "$JS.API.CONSUMER.INFO."+q+"."+consumer,
		"$JS.API.DIRECT.GET."+q, "$JS.ACK."+q+"."+consumer+".>", "$JS.ACK.*.*."+q+"."+consumer+".>")
	put("state its keys, and read those of all", keysOf(agent)+".*", "$JS.API.DIRECT.GET."+keysStream)
	streams := []string{q, keysStream}
	if !noBox {
		put("keep its objects", append(direct(agent), boxOf(agent)+".>", "$JS.API.STREAM.MSG.GET."+b, "$JS.API.STREAM.PURGE."+b, "$JS.API.DIRECT.GET."+b)...)
		streams = append(streams, b)
	}
	var letters, grants []string
	for _, p := range slices.Compact(peers) {
		if err := cluster.Fits("print rights for", p); err != nil {
			return "", err
		}
		if p != agent {
			letters, grants = append(letters, queueOf(p)), append(grants, direct(p)...)
		}
	}
	if len(letters) == 0 {
		letters, grants = []string{queueOf("PEER")}, direct("PEER")
	}
	put("put letters to its peers", letters...)
	if !noBox {
		put("read what its peers have granted, by its secret name", grants...)
	}
	var setup []string
	for _, s := range streams {
		setup = append(setup, "$JS.API.STREAM.INFO."+s, "$JS.API.STREAM.CREATE."+s)
	}
	put("`mft exchange setup`; leave out CREATE when somebody else makes the streams",
		append(setup, "$JS.API.CONSUMER.DURABLE.CREATE."+q+"."+consumer)...)
	fmt.Fprintf(&out, "  ] }\n  # answers, which nobody else may hear\n  subscribe: { allow: [%q] }\n}\n", cluster.InboxOf(agent)+".>")
	return out.String(), nil
}

// direct is the subject by which single messages of a box are read: grants,
// blocks and chunks, and no records.
func direct(agent mft.AgentName) []string {
	root := "$JS.API.DIRECT.GET." + boxStream(agent) + "." + boxOf(agent)
	return []string{root + ".g.*", root + ".b.*.*", root + ".c.*.*.*.*"}
}
