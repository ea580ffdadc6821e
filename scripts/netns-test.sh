#!/bin/sh
# Tests that a feed whose packets are dropped on the way, so that neither side is
# told, is found to be gone and connected to again: in a network namespace of its
# own, which takes root, iproute2 and a minute.
set -eu
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
    echo "netns-test.sh: not root: network namespaces can't be made, nothing is tested" >&2
    exit 0
fi
NETNS=1 exec go test -count=1 -run '^TestHalfOpenTCP$' -v ./internal/stats
