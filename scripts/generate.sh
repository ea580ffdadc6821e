#!/bin/sh
# Remakes serve/models and serve/restapi from swagger.yaml, which is the contract.
# Needs nothing but the Go toolchain. The same input gives the same files: CI runs
# it and fails where anything differs. Never edit what it makes.
set -eu
cd "$(dirname "$0")/.."

go tool -modfile=internal/tools/go.mod swagger validate --quiet swagger.yaml

# Made beside what is there, so that a run that fails leaves a tree that builds.
rm -rf serve/models.old serve/restapi.old
mv serve/models serve/models.old
mv serve/restapi serve/restapi.old
trap 'if [ -d serve/restapi.old ]; then rm -rf serve/models serve/restapi; mv serve/models.old serve/models; mv serve/restapi.old serve/restapi; fi' EXIT
go tool -modfile=internal/tools/go.mod swagger generate server \
	--quiet \
	--spec=swagger.yaml \
	--target=serve \
	--name=labstatus \
	--exclude-main

# serve/api.go builds its own http.Handler from the specification and the
# operations: the generator's server and its place to fill in are not used.
rm serve/restapi/server.go serve/restapi/configure_labstatus.go
rm -rf serve/models.old serve/restapi.old
