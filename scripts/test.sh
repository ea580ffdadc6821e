#!/usr/bin/env bash
# Runs all tests, with the race detector. Installs what they need first.
# Arguments go to go test, e.g. scripts/test.sh -run Stories ./internal/health
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/ci-setup.sh
export CGO_ENABLED=1
[ $# -eq 0 ] || exec go test -race "$@"
browser=./internal/browsertest
go list ./... | grep -v "/${browser##*/}\$" | xargs go test -race
go test -race "$browser" # alone: a browser wants the machine for itself
