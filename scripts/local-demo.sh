#!/usr/bin/env bash
# Runs the server from this checkout. Without STATUS_* in the environment: against a
# simulated laboratory whose faults follow a script (status demo; arguments go to
# it, try --help). With STATUS_HOST_BOOK set: against the laboratory that the
# environment describes.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v go >/dev/null 2>&1 || { echo "$0: Go is missing: version 1.26 or newer is wanted, from https://go.dev/dl" >&2; exit 1; }
echo "building (the first time takes a minute or two)"
CGO_ENABLED=0 go build -o bin/status ./cmd/status
if [ -n "${STATUS_HOST_BOOK:-}" ]; then
	export STATUS_LOG_FILE="${STATUS_LOG_FILE:-stderr}" STATUS_STORE="${STATUS_STORE:-memory}"
	exec bin/status serve "$@"
fi
exec bin/status demo "$@"
