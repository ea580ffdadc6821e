package serve

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// What a page is made of has an address that changes with its content, so browsers
// keep it for good; all that its script needs is named, to be fetched at once.
func TestAssets(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	page := get(t, h, "/").Body.String()
	found := regexp.MustCompile(`(?:href|src)="(assets/[0-9a-f]{12}/([a-z]+\.(?:css|js|svg)))"`).FindAllStringSubmatch(page, -1)
	var names []string
	for _, f := range found {
		names = append(names, f[2])
		w := get(t, h, "/"+f[1])
		if w.Code != 200 || w.Header().Get("ETag") == "" || w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%s: %d %v", f[1], w.Code, w.Header())
		}
	}
	for _, name := range []string{"status.css", "good.svg", "overview.js", "dom.js", "live.js", "store.js", "time.js"} {
		if !slices.Contains(names, name) {
			t.Errorf("the front page names %v, not %s", names, name)
		}
	}
	if slices.Contains(names, "mails.js") {
		t.Error("the front page fetches what it doesn't need")
	}
	for _, target := range []string{"/page/front.html", "/front.html", "/assets/", "/assets/000000000000/status.css", "/status.css"} {
		if w := get(t, h, target); w.Code != 404 {
			t.Errorf("%s is served: %d", target, w.Code)
		}
	}
}

func TestAssetsOfAnotherVersion(t *testing.T) {
	t.Parallel()
	read := func(files map[string]string) *assets {
		t.Helper()
		fs := fstest.MapFS{}
		for name, text := range files {
			fs["a/"+name] = &fstest.MapFile{Data: []byte(text)}
		}
		a, err := readAssets(fs, "a")
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	first := read(map[string]string{"one.js": `import { x } from "./two.js";` + "\n", "two.js": `import "./three.js";` + "\n", "three.js": "", "four.js": ""})
	if got := first.modules("one.js"); !slices.Equal(got, []string{"one.js", "three.js", "two.js"}) {
		t.Errorf("one.js needs %v", got)
	}
	second := read(map[string]string{"one.js": "", "two.js": "", "three.js": "", "four.js": ""})
	if first.folder == second.folder {
		t.Error("another content has the same address")
	}
	if _, err := readAssets(fstest.MapFS{"a/notes.txt": &fstest.MapFile{}}, "a"); err == nil || !strings.Contains(err.Error(), "notes.txt") {
		t.Errorf("a file of another kind: %v", err)
	}
}
