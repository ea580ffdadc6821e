#!/usr/bin/env bash
# Sees to it that a fresh Debian with Go has what tests and lints need: a C compiler
# for the race detector, a browser for the page's tests, promtool for the rules of
# alerts. Installs nothing that is there already.
set -euo pipefail
cd "$(dirname "$0")/.."

need() { # command, Debian package
	command -v "$1" >/dev/null 2>&1 && return
	if [ "$(id -u)" = 0 ]; then as=; elif command -v sudo >/dev/null 2>&1; then as=sudo; else
		echo "$0: $1 is missing and installing it needs root: apt-get install $2" >&2
		exit 1
	fi
	echo "installing $2"
	$as apt-get update -qq
	$as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" libc6-dev >/dev/null
}

command -v go >/dev/null 2>&1 || { echo "$0: Go is missing: version 1.26 or newer is wanted, from https://go.dev/dl" >&2; exit 1; }
need gcc gcc
need git git
command -v promtool >/dev/null 2>&1 || {
	need promtool prometheus
	$as systemctl disable --now prometheus >/dev/null 2>&1 || true # the package brings a service
}
scripts/browser-setup.sh
