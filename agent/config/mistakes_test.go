package config

import (
	"errors"
	"strings"
	"testing"
)

const goodChannel = "name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: arrival"

func TestMistakes(t *testing.T) {
	tests := []struct {
		name, content string
		want          []string
	}{
		{"unknown section", "agnet: {}", []string{"line 1: agnet: unknown key, did you mean agent?"}},
		{"unknown key far from all", "allow: {everything: true}", []string{"line 1: allow.everything: unknown key; known here: files_from, requests_from"}},
		{"network user without processes", "agent: {network_user: net}", []string{"agent.network_user: needs agent.user"}},
		{"user without processes", "channels:\n- {" + goodChannel + ",\n   run_as: {user: erp}}", []string{"line 3: channels[0].run_as: needs agent.user"}},
		{"no schedule", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: {schedule: '0 25 * * *', timezone: Mars}}]", []string{
			`line 1: channels[0].when.schedule: hours: "25" is no value from 0 to 23`,
			"line 1: channels[0].when.timezone: want the name of a time zone",
		}},
		{"zone of nothing", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: {timezone: UTC, poll: 1m}}]", []string{
			"line 1: channels[0].when.timezone: it is that of a schedule or of expect.due_by",
		}},
		{"days of nothing", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: {on: next, overlap: skip, missed: once, manual: true}}]", []string{
			"channels[0].when.missed: it is about schedule or poll", "channels[0].when.overlap: it is about schedule or poll", "channels[0].when.on: it is that of a schedule or of expect.due_by",
		}},
		{"no such calendar", "calendars: {uk: {}}\nchannels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: {schedule: '@daily', calendar: us}}]", []string{
			"line 2: channels[0].when.calendar: the agent's own file has no calendar us",
		}},
		{"never on a working day", "calendars: {uk: {workdays: mon-fri}}\nchannels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: {schedule: '0 6 * * SAT', calendar: uk}}]", []string{
			`line 2: channels[0].when.on: "0 6 * * SAT": none of its days is a working day`,
		}},
		{"calendars", "calendars: {a: {workdays: mon-friday}, b: {holidays: [2026-02-30]}, c: {file: relative}, d: {file: /none/there}}", []string{
			`calendars.a.workdays: "friday" is no value from 0 to 7`, "calendars.b.holidays[0]: it is no day like 2026-12-25", "calendars.c.file: want an absolute path", "calendars.d.file: ",
		}},
		{"trigger without a path", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: marker}]", []string{
			"channels[0].when.marker: marker: true and the path of a trigger in markers.source or markers.destination belong together",
		}},
		{"one file for two markers", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: {poll: 1m}, markers: {source: {block: /a/x, failure: /a/x}}}]", []string{
			"channels[0].markers.source: failure is the same file as another marker",
		}},
		{"one file for two markers there", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: {poll: 1m}, markers: {source: {block: /x}, destination: {block: /x, activity: /x}}}]", []string{
			"channels[0].markers.destination: activity is the same file as another marker",
		}},
		{"groups", "agent: {name: host}\ngroups: {a: {members: [b, b]}, b: {members: [c], active: marker}, p: {members: [host, d]}}\nchannels: [{name: c, from: {group: p, path: /a}, to: [{agent: b, group: a, path: /b}, {path: /b}, {group: x, path: /b}, {group: p, path: /b}], when: {poll: 1m}}]", []string{
			"groups.a.members: b is there twice", "groups.b.members: a group has two members", "groups.b.marker: missing",
			"channels[0].from.group: which member of a source is active has to be found by a marker or chosen",
			"channels[0].to[0].agent: say agent or group", "channels[0].to[1].agent: say agent or group", "channels[0].to[2].group: there is no group x",
			"channels[0].to[3].group: the agent at which the channel begins is a member",
		}},
		{"one file for two markers of a peer", "allow: {files_from: [{agent: b, into: /a, markers: {block: [/a/x, /a/y], failure: /a/y}}]}", []string{
			"allow.files_from[0].markers: failure is the same file as another marker",
		}},
		{"silence without a time", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: {poll: 1m}, markers: {source: {silence: /a/x}}}]", []string{
			"channels[0]: a silence marker needs expect.silence",
		}},
		{"rules and globs", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: {poll: 1m}, select: {rules: [\"- a\"], exclude: [b]}}]", []string{
			"channels[0].select: rules take the place of include and exclude",
		}},
		{"a rule that is none", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: {poll: 1m}, select: {rules: [\"! a\"]}}]", []string{"select.rules[0]: "}},
		{"sizes that no file has", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: {poll: 1m}, select: {min_size: 2KiB, max_size: 1KiB}}]", []string{"channels[0].select: no file has"}},
		{"a mirror of what arrives", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: arrival, mirror: true}]", []string{"channels[0].when: a mirror runs by schedule, poll, marker or manual"}},
		{"a mirror with globs", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, mirror: true, select: {exclude: [b]}}]", []string{"channels[0].select: both ends of a mirror go by the same rules"}},
		{"a mirror that removes what it likes", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, mirror: {max_delete: all}}]", []string{"channels[0].mirror.max_delete: want a number of files"}},
		{"a mirror of the latest", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, select: {latest: 1}, mirror: true}]", []string{"channels[0].select.latest: a mirror is the whole"}},
		{"latest none", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, select: {latest: 0}}]", []string{"channels[0].select.latest: want a number from 1"}},
		{"after something", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, after: {source: move}}]", []string{"channels[0].after.source: want keep, delete or archive"}},
		{"an archive nowhere", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, after: {source: archive}}]", []string{"channels[0].after.archive: missing"}},
		{"an archive of nothing", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, after: {source: delete, archive: /c}}]", []string{"channels[0].after.archive: it is that of source: archive"}},
		{"an archive in the source", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, after: {source: archive, archive: /a/b/sent}}]", []string{"channels[0].after.archive: it lies in the source"}},
		{"an archive that is the source", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, after: {source: archive, archive: /a/}}]", []string{"channels[0].after.archive: it lies in the source"}},
		{"a source in the archive", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, after: {source: archive, archive: /}}]", []string{"channels[0].after.archive: it lies in the source, or the source in it"}},
		{"a bandwidth of next to nothing", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, bandwidth: 100}]", []string{"channels[0].bandwidth: want bytes a second"}},
		{"a bandwidth of nothing", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, bandwidth: {limit: 0}}]", []string{"channels[0].bandwidth.limit: want bytes a second"}},
		{"hours at no time", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, bandwidth: {hours: [{from: 8, to: \"24:00\", limit: none}]}}]", []string{"channels[0].bandwidth.hours[0].from: want a time of day in quotes"}},
		{"hours after the day", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, bandwidth: {hours: [{from: \"24:00\", to: \"08:00\", limit: none}]}}]", []string{"channels[0].bandwidth.hours[0].from: the day ends at 24:00"}},
		{"hours on the next day", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, bandwidth: {hours: [{from: \"08:00\", to: \"18:00\", on: next, limit: none}]}}]", []string{"channels[0].bandwidth.hours[0].on: want workday or holiday"}},
		{"hours of no calendar", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, bandwidth: {calendar: none, hours: [{from: \"08:00\", to: \"18:00\", limit: 1MiB}]}}]", []string{"channels[0].bandwidth.calendar: the agent"}},
		{"a zone of no hours", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, bandwidth: {limit: 1MiB, timezone: UTC}}]", []string{"channels[0].bandwidth: timezone and calendar are those of hours"}},
		{"paired without processes", "allow: {paired: [{below: /srv, run_as: {user: a}}]}", []string{"allow.paired[0].run_as: needs agent.user"}},
		{"paired twice", "agent: {user: nobody}\nallow: {paired: [{below: /srv, run_as: {user: a}}, {below: /srv/, run_as: {user: b}}]}", []string{"allow.paired[1].below: there is another entry"}},
		{"paired by nobody", "agent: {user: nobody}\nallow: {paired: [{below: /srv}]}", []string{"allow.paired[0].run_as: is missing"}},
		{"a mirror that moves", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, after: {source: delete}, mirror: true}]", []string{"channels[0].after.source: a mirror removes"}},
		{"an order of sizes", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, order: {by: size}}]", []string{"channels[0].order.by: want name or time"}},
		{"a batch that is too large", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, order: {by: name, batch: 201}}]", []string{"channels[0].order.batch: want a number from 1 to 200"}},
		{"a mirror in order", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, order: {by: name}, mirror: true}]", []string{"channels[0].order: a mirror is one transfer"}},
		{"links of no mirror", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, symlinks: skip}]", []string{"channels[0].symlinks: is for a mirror"}},
		{"what cannot be preserved", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, preserve: [acls, forks]}]", []string{"channels[0].preserve[1]: it is none of xattrs, acls, links"}},
		{"links that lead elsewhere", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, mirror: true, symlinks: follow}]", []string{"channels[0].symlinks: want copy, skip or refuse"}},
		{"no mirror", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: manual, mirror: false}]", []string{"channels[0].mirror: want true, or max_delete"}},
		{"grace of nothing", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: {poll: 1m}, expect: {grace: 1h}}]", []string{
			"channels[0].expect: grace is that of due_by",
		}},
		{"an expectation that cannot be met", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: {poll: 1m}, expect: {count: {min: 5, max: 4}}}]", []string{
			"channels[0].expect: min is more than max",
		}},
		{"due at no time", "channels: [{name: c, from: {agent: host, path: /a}, to: [{agent: b, path: /b}], when: {poll: 1m}, expect: {due_by: \"25:00\", size: {min: lots}}}]", []string{
			"expect.due_by: want a time of the day such as 02:30, or a schedule", "expect.size.min: want a size",
		}},
		{"exit without a phase", "exits: [{run: [/x]}]", []string{"line 1: exits[0].phase: is missing"}},
		{"exit of no phase", "exits: [{phase: after, run: [/x]}]", []string{"line 1: exits[0].phase: want pre, post or error"}},
		{"exit at no end", "exits: [{phase: post, at: here, run: [/x]}]", []string{"line 1: exits[0].at: want source or destination"}},
		{"exit without a command", "exits: [{phase: post}]", []string{"line 1: exits[0]: want run, a list, or command, a text"}},
		{"exit with two commands", "exits: [{phase: post, run: [/x], command: /x}]", []string{"line 1: exits[0]: want run, a list, or command, a text"}},
		{"exit with a shell", "exits:\n- {phase: post, command: 'cat {fullFilePath} | mail root'}", []string{`line 2: exits[0]: command: "| mail root": in a shell "|" joins commands, but no shell reads this`}},
		{"exit that a peer chooses", "exits: [{phase: post, run: [sh, -c, 'import {fileName}']}]", []string{"line 1: exits[0]: run: sh would take a name that a peer chose for its program"}},
		{"exit with no variable", "exits: [{phase: post, run: [/x, '{file}']}]", []string{"line 1: exits[0]: run: there is no variable {file}"}},
		{"exit with a bad pattern", "exits: [{phase: post, match: '(', run: [/x]}]", []string{"line 1: exits[0]: match: \"(\" is no regular expression"}},
		{"exit that waits long", "exits: [{phase: pre, timeout: 1m, run: [/x]}]", []string{"line 1: exits[0]: timeout: 1m0s is not above 0 and at most 10s"}},
		{"exit of another agent", "exits: [{phase: post, agent: ERP, run: [/x]}]", []string{"line 1: exits[0].agent: want the name of an agent"}},
		{"exit of a channel for another", "channels:\n- {" + goodChannel + ",\n   exits: [{after: success, agent: x, run: [/x]}]}", []string{"line 3: channels[0].exits[0]: agent and channel are those of the channel"}},
		{"telemetry for nobody", "telemetry: {details: none}", []string{"line 1: telemetry: want otlp, application_insights or both"}},
		{"a secret pasted", "telemetry: {otlp: {endpoint: 'https://c.example', headers: {api-key: s3cret}}}", []string{"line 1: telemetry.otlp.headers.api-key: a secret does not stand in this file"}},
		{"a connection string pasted", "telemetry: {application_insights: {connection_string: s3cret}}", []string{"line 1: telemetry.application_insights.connection_string: a secret does not stand in this file"}},
		{"a header of the protocol", "telemetry: {otlp: {endpoint: 'https://c.example', headers: {Host: {env: A}}}}", []string{"line 1: telemetry.otlp.headers.Host: host is a header that the protocol itself sets"}},
		{"a collector without URL", "telemetry: {otlp: {endpoint: 'c.example:4317', protocol: thrift}}", []string{"line 1: telemetry.otlp.endpoint: want the URL of a host", "line 1: telemetry.otlp.protocol: want http or grpc"}},
		{"repeated key", "agent:\n  name: a\n  name: b", []string{"line 3: agent.name: stands here again; it was on line 2"}},
		{"repeated channel", "channels:\n- {" + goodChannel + "}\n- {" + goodChannel + "}", []string{"line 3: channels[1].name: a channel of this name is on line 2 already"}},
		{"repeated peer", "peers:\n  b: {pin: mft1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}\n  b: {}", []string{"line 3: peers.b: stands here again"}},
		{"several at once, by line", "agent: {listen: 7420}\npeers: {B: {}}\nallow: {files_from: [{agent: b}]}", []string{
			"line 1: agent.listen: want HOST:PORT or :PORT",
			"line 2: peers.B: B is no agent name: only lower-case",
			"line 3: allow.files_from[0].into: is missing",
		}},
		{"alias", "agent: &a {name: x}\npeers: *a", []string{"line 2: peers: aliases (*a) are not accepted"}},
		{"merge key", "agent:\n  <<: {name: x}", []string{"line 2: agent: a key is plain text"}},
		{"tag", "agent: {name: !!binary eA==}", []string{"line 1: agent.name: tags (!!binary) are not accepted"}},
		{"second document", "agent: {}\n---\nagent: {}", []string{"a second document starts here"}},
		{"no YAML", "agent:\n  name: [}", []string{"line 1: this is no YAML, here or on the next line"}},
		{"list for section", "agent: [a]", []string{"line 1: agent: want keys with values, not a list"}},
		{"section for list", "channels: {a: b}", []string{"line 1: channels: want a list, not a section with keys"}},
		{"section for value", "agent: {name: {a: b}}", []string{"line 1: agent.name: want one value, not a section with keys"}},
		{"value for section", "agent: erp", []string{"line 1: agent: want keys with values, not a single value"}},
		{"scalar for the whole", "erp", []string{"line 1: want keys with values"}},
		{"key without value", "agent: {name: }", []string{"line 1: agent.name: has no value"}},
		{"name", "agent: {name: ERP}", []string{"line 1: agent.name: ERP is no agent name: only lower-case letters"}},
		{"reserved name", "agent: {name: publickeys}", []string{"this name is reserved"}},
		{"listen port", "agent: {listen: ':99999'}", []string{"agent.listen: want HOST:PORT"}},
		{"address without host", "agent: {address: ':7420'}", []string{"agent.address: want HOST:PORT, such as"}},
		{"address with port 0", "agent: {address: 'a:0'}", []string{"agent.address: want HOST:PORT, such as"}},
		{"address with scheme", "agent: {address: 'https://a:1'}", []string{"agent.address: want HOST:PORT, such as"}},
		{"relative data", "agent: {data: var}", []string{"agent.data: want an absolute path"}},
		{"home", "agent: {data: ~/mft}", []string{"agent.data: ~ is not expanded here"}},
		{"dots", "agent: {data: /var/../etc}", []string{"agent.data: want a path without .. components"}},
		{"NUL", `agent: {data: "/var\0"}`, []string{"agent.data: a path has no NUL"}},
		{"group of two words", "agent: {socket_group: a b}", []string{"agent.socket_group: want one word"}},
		{"level", "agent: {log_level: loud}", []string{"agent.log_level: want debug, info, warn or error"}},
		{"no transfers", "agent: {max_transfers: 0}", []string{"agent.max_transfers: want a number from 1 to 256"}},
		{"setid", "allow: {files_from: [{agent: b, into: /b, allow_setid: sometimes}]}", []string{"allow_setid: want true or false"}},
		{"peer without pin", "peers: {b: {address: 'b:1'}}", []string{"line 1: peers.b.pin: is missing"}},
		{"peer with bad pin", "peers: {b: {pin: sha256:x}}", []string{`peers.b.pin[0]: a pin begins with "mft1:"`}},
		{"peer with bad pin in list", "peers: {b: {pin: [mft1:x]}}", []string{"peers.b.pin[0]: a pin has 43 characters"}},
		{"relay without agents", "relay: {listen: ':7421', agents: []}", []string{"relay.agents: has no entry"}},
		{"relay with one twice", "relay: {listen: ':7421', agents: [b, b]}", []string{"relay: agents names b twice"}},
		{"relay with a quota for nobody", "relay: {listen: ':7421', agents: [b], quotas: {c: {letters: 1}}}", []string{"relay: quotas has c, which is not among"}},
		{"relay with a size", "relay: {listen: ':7421', agents: [b], quota: {bytes: 5GB}}", []string{"relay.quota.bytes: want a size, such as 500GiB"}},
		{"relay with a short memory", "relay: {listen: ':7421', agents: [b], keep: {unfetched: 5m}}", []string{"relay.keep.unfetched: want a time from 1h"}},
		{"relay on the port of the agent", "relay: {listen: ':7420', agents: [b]}", []string{"relay: relay.listen is agent.listen"}},
		{"relay that is itself", "agent: {name: hub}\nexchange: {relay: {agent: hub, address: 'a:1'}}", []string{"relay: exchange.relay.agent is this agent itself"}},
		{"relay nowhere", "exchange: {relay: {agent: hub}}", []string{"exchange.relay.address: is missing"}},
		{"peer is itself", "agent: {name: b}\npeers: {b: {pin: mft1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}}", []string{"line 2: peers.b: this is the agent itself"}},
		{"channel to itself", "channels: [{name: c, from: {agent: b, path: /a}, to: [{agent: b, path: /b}], when: arrival}]", []string{"channels[0].to[0].agent: the files are on this agent already"}},
		{"channel to nowhere", "channels: [{name: c, from: {agent: b, path: /a}, to: [], when: arrival}]", []string{"channels[0].to: has no entry"}},
		{"channel to null", "channels: [{name: c, from: {agent: b, path: /a}, to: , when: arrival}]", []string{"channels[0].to: has no entry"}},
		{"peer with no pins", "peers: {b: {pin: []}}", []string{"peers.b.pin: has no entry"}},
		{"channel without end", "channels: [{name: c}]", []string{"channels[0].from: is missing", "channels[0].to: is missing", "channels[0].when: is missing"}},
		{"channel name", "channels: [{name: .c, from: {agent: b, path: /a}, to: [{agent: x, path: /b}], when: arrival}]", []string{"channels[0].name: a channel's name has"}},
		{"relative endpoint", "channels: [{name: c, from: {agent: b, path: a}, to: [{agent: x, path: /b}], when: arrival}]", []string{"channels[0].from.path: want an absolute path"}},
		{"when", "channels: [{name: c, from: {agent: b, path: /a}, to: [{agent: x, path: /b}], when: often}]", []string{"channels[0].when: want arrival"}},
		{"when nothing", "channels: [{name: c, from: {agent: b, path: /a}, to: [{agent: x, path: /b}], when: {}}]", []string{"channels[0].when: say arrival"}},
		{"stable", "channels: [{name: c, from: {agent: b, path: /a}, to: [{agent: x, path: /b}], when: {arrival: {stable: 5}}}]", []string{"when.arrival.stable: want a time from 10ms to 24h"}},
		{"rescan", "channels: [{name: c, from: {agent: b, path: /a}, to: [{agent: x, path: /b}], when: {arrival: {rescan: 1ms}}}]", []string{"when.arrival.rescan: want a time from 1s to 24h"}},
		{"compress", "channels: [{" + goodChannel + ", compress: gzip}]", []string{"channels[0].compress: want auto, always or never"}},
		{"overwrite", "channels: [{" + goodChannel + ", overwrite: maybe}]", []string{"channels[0].overwrite: want true (replace), false (never) or version"}},
		{"glob", "channels: [{" + goodChannel + ", select: {include: ['[']}}]", []string{"channels[0].select.include[0]: "}},
		{"exchange of nothing", "exchange: {}", []string{"line 1: exchange: want exactly one of dir, azure, nats and relay"}},
		{"exchange of two", "exchange: {dir: {path: /x}, azure: {account: abc, credential: {managed_identity: {}}}}", []string{"line 1: exchange: want exactly one of dir, azure, nats and relay"}},
		{"exchange typo", "exchange:\n  dri: {path: /x}", []string{"line 2: exchange.dri: unknown key, did you mean dir?"}},
		{"exchange in a relative folder", "exchange: {dir: {path: x}}", []string{"exchange.dir.path: want an absolute path"}},
		{"no credential", "exchange:\n  azure:\n    account: abc\n    credential: {}", []string{"line 4: exchange.azure.credential: want exactly one of managed_identity"}},
		{"two credentials", "exchange: {azure: {account: abc, credential: {managed_identity: {}, account_key: {env: K}}}}", []string{"exchange.azure.credential: want exactly one of"}},
		{"pasted account key", "exchange: {azure: {account: abc, credential: {account_key: s3cret==}}}", []string{"exchange.azure.credential.account_key: a secret does not stand in this file; say where it lies: {file: PATH} or {env: NAME}"}},
		{"pasted SAS", "exchange: {azure: {account: abc, credential: {sas: '?sv=1&sig=s3cret'}}}", []string{"exchange.azure.credential.sas: a secret does not stand in this file"}},
		{"secret for the name of a variable", "exchange: {azure: {account: abc, credential: {account_key: {env: 's3cret=='}}}}", []string{"account_key.env: want the name of a variable"}},
		{"secret in two places", "exchange: {azure: {account: abc, credential: {account_key: {env: K, file: /k}}}}", []string{"account_key: want exactly one of file and env"}},
		{"SAS in a URL", "exchange: {azure: {account: abc, blob_url: 'https://abc?sig=s3cret', queue_url: 'https://q', credential: {managed_identity: {}}}}", []string{"exchange.azure.blob_url: the URL has more than a host and a path"}},
		{"one URL of two", "exchange: {azure: {account: abc, blob_url: 'https://abc', credential: {managed_identity: {}}}}", []string{"exchange.azure: blob_url and queue_url go together"}},
		{"SAS for the whole and for parts", "exchange: {azure: {account: abc, credential: {sas: {env: S, queue: {env: Q}}}}}", []string{"credential.sas: want file or env for the whole account, or"}},
		{"connection string for an account", "exchange: {azure: {account: 'AccountName=abc;AccountKey=s3cret', credential: {managed_identity: {}}}}", []string{"exchange.azure.account: want one word"}},
		{"no server", "exchange: {nats: {servers: []}}", []string{"exchange.nats.servers: has no entry"}},
		{"password in a server", "exchange: {nats: {servers: ['nats://me:s3cret@host']}}", []string{"exchange.nats.servers[0]: the URL has more than a host and a port"}},
		{"pasted creds", "exchange: {nats: {servers: ['tls://h'], credential: {creds: s3cret}}}", []string{"exchange.nats.credential.creds: a secret does not stand in this file"}},
		{"password in the clear", "exchange: {nats: {servers: ['nats://far'], credential: {user: a, password: {env: P}}}}", []string{"exchange.nats: a password or a token crosses the network as it is"}},
		{"user without password", "exchange: {nats: {servers: ['tls://h'], credential: {user: a}}}", []string{"exchange.nats.credential: user and password go together"}},
		{"two credentials of NATS", "exchange: {nats: {servers: ['tls://h'], credential: {token: {env: T}, nkey: {env: N}}}}", []string{"exchange.nats.credential: want exactly one of creds, nkey"}},
		{"certificate without key", "exchange: {nats: {servers: ['tls://h'], tls: {cert: /c}}}", []string{"exchange.nats.tls: cert and key go together"}},
		{"too many replicas", "exchange: {nats: {servers: ['tls://h'], replicas: 7}}", []string{"exchange.nats.replicas: want a number from 1 to 5"}},
		{"containers nowhere", "exchange: {nats: {servers: ['tls://h'], containers: {}}}", []string{"exchange.nats.containers: want exactly one of nats, s3 and azure"}},
		{"prefix without a slash", "exchange: {nats: {servers: ['tls://h'], containers: {s3: {bucket: b, prefix: x}}}}", []string{"containers.s3.prefix: want a path"}},
		{"pasted S3 secret", "exchange: {nats: {servers: ['tls://h'], containers: {s3: {bucket: b, credential: {access_key: k, secret: s3cret}}}}}", []string{"s3.credential.secret: a secret does not stand in this file"}},
		{"unknown path", "peers: {b: {pin: mft1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA, path: s3cret}}", []string{"peers.b.path: want auto, direct or relay"}},
		{"relay without an exchange", "peers:\n  b: {pin: mft1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA, path: relay}", []string{"line 2: peers.b.path: relay needs an exchange"}},
		{"azure version", "version: 2\nconfig: {agent: {name: a}}", []string{"line 1: version: want 1"}},
		{"azure without name", "config: {agent: {}}", []string{"config.agent.name: is missing"}},
		{"azure typo", "config:\n  agent: {name: a}\n  allow_file_from: [b]", []string{"line 3: config.allow_file_from: unknown key, did you mean allow_files_from?"}},
		{"azure mixed with ours", "config: {agent: {name: a}}\npeers: {}", []string{"line 2: peers: unknown key"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := read([]byte(tt.content), defaults())
			var got Mistakes
			if !errors.As(err, &got) {
				t.Fatalf("read(%q): error %v, want Mistakes", tt.content, err)
			}
			if len(got) != len(tt.want) {
				t.Fatalf("read(%q) found %d mistakes, want %d:\n%v", tt.content, len(got), len(tt.want), got)
			}
			if strings.Contains(got.Error(), "s3cret") {
				t.Errorf("read(%q): the mistakes repeat a secret: %v", tt.content, got)
			}
			for i, m := range got {
				if !strings.Contains(m.String(), tt.want[i]) {
					t.Errorf("read(%q): mistake %d is %q, want it to hold %q", tt.content, i, m, tt.want[i])
				}
			}
		})
	}
}

func TestSecretsAreNotRepeated(t *testing.T) {
	for _, content := range []string{
		"config: {agent: {name: a}, azure: {account_key: {s3cret: 1}}}",
		"config: {agent: {name: a, log_level: [s3cret]}, azure: {account_key: [s3cret]}}",
		"peers: {b: {pin: s3cret}}",
		"agent: {data: s3cret}",
	} {
		cfg, err := read([]byte(content), defaults())
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("read(%q): the error repeats a value: %v", content, err)
		}
		if cfg != nil && strings.Contains(strings.Join(cfg.Notes, ""), "s3cret") {
			t.Errorf("read(%q): a note repeats a value", content)
		}
	}
}

func TestMistakesAreBounded(t *testing.T) {
	_, err := read([]byte(strings.Repeat("x: 1\n", 10_000)), defaults())
	var got Mistakes
	if !errors.As(err, &got) || len(got) > 50 {
		t.Errorf("10,000 mistakes make a report of %d, want at most 50", len(got))
	}
}
