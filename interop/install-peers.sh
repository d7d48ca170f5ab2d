#!/usr/bin/env bash
# Installs the programs that the tests measure mft against. Run as root on a
# Debian-like host; installs only what is missing, asks nothing, and may be run
# as often as you like. Without these programs the tests that need them skip,
# unless MFT_PEERS=required is set.
set -euo pipefail

# program<TAB>package that has it
wanted=(
  "rsync rsync"
  "ssh openssh-client"
  "ssh-keygen openssh-client"
  "sshd openssh-server"
  "strace strace"
  "gcc gcc"
  "mkfs.ext4 e2fsprogs"
  "losetup mount"
  "npm npm"
)

PATH=$PATH:/usr/sbin:/sbin
missing=()
for line in "${wanted[@]}"; do
  read -r program package <<<"$line"
  command -v "$program" >/dev/null || missing+=("$package")
done
# gcc alone is not enough for the race detector: it needs the C library's headers.
[ -e /usr/include/stdlib.h ] || missing+=("libc6-dev")

if [ "${#missing[@]}" -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo "install-peers: missing ${missing[*]}, and there is no apt-get to get them with" >&2
    exit 1
  fi
  if [ "$(id -u)" != 0 ]; then
    echo "install-peers: missing ${missing[*]}; run this as root" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  # A freshly installed sshd must not start listening on this host.
  policy=/usr/sbin/policy-rc.d
  made_policy=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made_policy=1
  fi
  status=0
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null || status=$?
  [ -z "$made_policy" ] || rm -f "$policy"
  if [ "$status" != 0 ]; then
    tail -n 40 "$log" >&2
    echo "install-peers: could not install ${missing[*]}" >&2
    exit "$status"
  fi
  rm -f "$log"
  echo "install-peers: installed ${missing[*]}"
else
  echo "install-peers: everything is here"
fi

# Azurite, the emulator of Azure Storage, is a program for Node.js and no
# package of the system. It is kept out of the repository.
azurite_version=3.35.0
azurite_home=${AZURITE_HOME:-/opt/azurite}
if ! command -v azurite >/dev/null; then
  if [ "$(id -u)" != 0 ]; then
    echo "install-peers: missing azurite; run this as root" >&2
    exit 1
  fi
  log=$(mktemp)
  mkdir -p "$azurite_home"
  if ! npm install --prefix "$azurite_home" --no-audit --no-fund --ignore-scripts "azurite@$azurite_version" >"$log" 2>&1 </dev/null; then
    tail -n 40 "$log" >&2
    echo "install-peers: could not install azurite $azurite_version" >&2
    exit 1
  fi
  rm -f "$log"
  ln -sf "$azurite_home/node_modules/.bin/azurite" /usr/local/bin/azurite
  echo "install-peers: installed azurite $azurite_version"
fi

# sshd refuses to start without its privilege separation directory.
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
