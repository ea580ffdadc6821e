#!/bin/sh
# Tests a whole server whose packets to and from the laboratory are dropped on the way,
# so that neither side is told: each connection is found to be gone, nobody is blamed
# for it, and all is well again later. In a network namespace of its own, which takes
# root, iproute2 and two minutes; where there is no way to make one it says so, and
# nothing is tested.
set -eu
cd "$(dirname "$0")/.."
if ! command -v ip >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing iproute2"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends iproute2 >/dev/null
fi
if ! command -v ip >/dev/null; then
    echo "netns-test.sh: there is no ip command: install iproute2; nothing is tested" >&2
    exit 0
fi
# All of it in namespaces of its own, so that the host's network stays as it is and
# nothing is left behind, however it ends.
apart() {
    unshare --net --mount sh -c 'mount --make-rprivate / && mount -t tmpfs none /run && ip link set lo up && '"$1"
}
if ! apart 'ip link add try0 type veth peer name try1 && ip netns add try' 2>/dev/null; then
    echo "netns-test.sh: network namespaces can't be made here (it takes root): nothing is tested" >&2
    exit 0
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go test -c -o "$dir/app.test" ./internal/app
cd internal/app
failed=0
NETNS=1 apart "exec $dir/app.test -test.timeout 5m -test.run '^TestHalfOpenTCP\$' -test.v" >"$dir/said" 2>&1 || failed=1
cat "$dir/said"
# A test that skips itself, or isn't there any more, has shown nothing.
grep -q '^--- PASS: TestHalfOpenTCP ' "$dir/said" || failed=1
exit $failed
