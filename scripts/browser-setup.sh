#!/usr/bin/env bash
# Sees to it that the tests of the page have what they need: Chromium's headless shell,
# which costs half of what the whole browser does, with a font (Debian's), and axe-core,
# which judges accessibility (npm's, kept in .cache/axe).
# Installs nothing that is there already. Neither becomes part of the server.
set -euo pipefail
cd "$(dirname "$0")/.."

axe=4.14.1

need() { # command, Debian packages
	command -v "$1" >/dev/null 2>&1 && return
	local as=
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null 2>&1 || {
			echo "$0: $1 is missing and installing it needs root: apt-get install ${*:2}" >&2
			exit 1
		}
		as=sudo
	fi
	echo "installing ${*:2}"
	$as apt-get update -qq
	$as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${@:2}" >/dev/null
}

command -v google-chrome >/dev/null 2>&1 || need chromium-headless-shell chromium-headless-shell fonts-dejavu-core

have=$(sed -n 's/^  "version": "\([0-9.]*\)",$/\1/p' .cache/axe/node_modules/axe-core/package.json 2>/dev/null || true)
if [ "$have" != "$axe" ]; then
	need npm npm
	echo "fetching axe-core $axe"
	mkdir -p .cache
	echo '*' >.cache/.gitignore
	npm install --prefix .cache/axe --no-save --no-audit --no-fund --ignore-scripts --loglevel=error "axe-core@$axe" >/dev/null
fi
