// Package browsertest looks at the maintainers' page as they do: in a real browser,
// against a whole handler, under the path of a reverse proxy. It has tests only and
// is never part of the server; `go test ./internal/browsertest` runs it.
//
// It needs Chromium and axe-core, which scripts/browser-setup.sh installs and
// scripts/test.sh calls for: without them its tests fail and say so. The browser is
// cut off from the network: every request beyond the page's own server is a failure.
//
// world_test.go is the laboratory that most tests look at, browser_test.go the
// browser, and each of the others says in its name what it looks for.
package browsertest
