#!/bin/sh
# Tests the store and a whole server on a disk that is really full, and on one that is
# really read-only: a small file system in a namespace of its own, which takes root and a
# minute. Where there is no way to mount one it says so, and nothing is tested.
set -eu
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/small" "$dir/internal" "$dir/cmd"
# It is gone with the namespace, so that nothing is left behind, however it ends.
apart() {
    unshare --mount sh -c "mount --make-rprivate / && mount -t tmpfs -o size=2m,mode=700 small '$dir/small' && $1"
}
if ! apart true 2>/dev/null; then
    echo "disk-test.sh: no file system can be mounted here (it takes root): nothing is tested" >&2
    exit 0
fi
# Built before any is run: what else CI does meanwhile makes sources anew.
go test -c -o "$dir/internal/store.test" ./internal/store
go test -c -o "$dir/cmd/status.test" ./cmd/status
# package, test: runs it there. One that skips itself, or isn't there any more, has shown
# nothing.
try() {
    (cd "$1" && apart "'$dir/$1.test' -test.timeout 5m -test.run '^$2\$' -test.v") >"$dir/said" 2>&1 || failed=1
    cat "$dir/said"
    grep -q "^--- PASS: $2 " "$dir/said" || failed=1
}
failed=0
export STORE_TEST_SMALL_DISK="$dir/small" DISK_TEST_MOUNT="$dir/small"
try internal/store TestRealFullDisk
try cmd/status TestDiskIsFull
try cmd/status TestDiskIsReadOnly
exit $failed
