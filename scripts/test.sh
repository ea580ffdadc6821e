#!/usr/bin/env bash
# Runs all tests, with the race detector. Installs what they need first.
# Arguments go to go test, e.g. scripts/test.sh -run Stories ./internal/health
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/ci-setup.sh
export CGO_ENABLED=1
[ $# -eq 0 ] || exec go test -race "$@"
# Much is tried by chance, and beside real clocks: what was well once says nothing of today.
browser=./internal/browsertest
go list ./... | grep -v "/${browser##*/}\$" | xargs go test -race -count=1
go test -race -count=1 "$browser" # alone: a browser wants the machine for itself
