#!/usr/bin/env bash
# Runs everything that judges the source without running it, and fails where what
# is generated differs from what is committed.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }
clean() { # what was checked, and how to mend it
	local changed
	changed=$(git status --porcelain -- "${@:3}")
	if [ -n "$changed" ]; then
		git --no-pager diff --stat -- "${@:3}"
		git status --short -- "${@:3}"
		echo "$1 differs from what is committed: $2" >&2
		exit 1
	fi
}

step go vet
go vet ./...

step gofmt
files=$(git ls-files '*.go' | grep -v -E '^serve/(models|restapi)/' | xargs gofmt -l)
[ -z "$files" ] || { echo "not gofmt-ed: $files" >&2; exit 1; }

step go fix
patch=$(go list ./... | grep -v -E '/serve/(models|restapi)' | xargs go fix -diff) || true # it fails where there is one
[ -z "$patch" ] || { echo "$patch"; echo "run go fix ./..." >&2; exit 1; }

step golangci-lint
go tool -modfile=internal/tools/go.mod golangci-lint run ./...

step prometheus rules
scripts/prometheus-rules.sh

step generated code
scripts/generate.sh
clean "generated code" "run scripts/generate.sh and commit" serve/models serve/restapi

step go mod tidy
go mod tidy -diff
