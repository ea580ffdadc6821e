#!/usr/bin/env bash
# Runs all tests, with the race detector. Installs what they need first.
# Arguments go to go test, e.g. scripts/test.sh -run Stories ./internal/health
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/ci-setup.sh
[ $# -gt 0 ] || set -- ./...
CGO_ENABLED=1 exec go test -race "$@"
