// Package config reads the one YAML file of a host, and says where it lies.
//
// [Find] looks for the file, [Load] reads it, [Default] is what holds without
// one. The format is that of docs/mft.schema.json, which [Schema] returns:
//
//	agent: {name: erp, listen: ":7420", data: /var/lib/mft}
//	peers: {ledger: {address: "ledger.example:7420", pin: "mft1:..."}}
//	exchange: {dir: {path: /mnt/exchange}}
//	allow:
//	  files_from: [{agent: ledger, into: /srv/in}]
//	  requests_from: [{agent: ledger, root: /srv/out}]
//	channels:
//	  - name: outbox
//	    from: {agent: erp, path: /srv/out}
//	    to: [{agent: ledger, path: /srv/in}]
//	    when: {arrival: {stable: 500ms, rescan: 30s}}
//	    select: {include: ["*.csv"], exclude: ["*.tmp"]}
//	    overwrite: true
//	exits:
//	  - {phase: post, match: '\.csv$', run: [/usr/local/bin/import, "{fullFilePath}"]}
//
// azure-mft's config.yaml is read unchanged, in the words of its README and in
// those of its code; whatever in it has no meaning here becomes a note in
// [Config.Notes]. [LoadDestinations] reads the file of `mft copy --config`.
//
// The package refuses to guess: an unknown or repeated key, an alias, a value
// that cannot be used or a file of more than 1 MiB is an error of code
// mft.CodeConfig, which names the line of every mistake at once. It
// reads files and nothing else: it makes no directory and looks up no host.
// A configuration holds no secrets, only where they lie (package storage); the
// one exception is azure-mft's account_key.
package config
