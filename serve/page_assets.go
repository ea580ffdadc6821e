package serve

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"regexp"
	"slices"
)

// assetTypes are the kinds of files that pages are made of.
var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// assets are what pages are made of. They are served in a folder that is named by
// their content, so that a browser keeps them for good and never mixes two versions.
type assets struct {
	folder  string // relative to the pages
	content map[string][]byte
	imports map[string][]string // what each module imports itself
}

var importLine = regexp.MustCompile(`(?m)^(?:import|export) .*?"\./([a-z]+\.js)";$`)

func readAssets(files fs.FS, dir string) (*assets, error) {
	a := &assets{content: make(map[string][]byte), imports: make(map[string][]string)}
	entries, err := fs.ReadDir(files, dir) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("read the page's files: %w", err)
	}
	sum := sha256.New()
	for _, entry := range entries {
		name := entry.Name()
		content, err := fs.ReadFile(files, path.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("read the page's files: %w", err)
		}
		if assetTypes[path.Ext(name)] == "" {
			return nil, fmt.Errorf("read the page's files: %s is of no kind that is served", name)
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(content))
		sum.Write(content)
		a.content[name] = content
		for _, found := range importLine.FindAllSubmatch(content, -1) {
			a.imports[name] = append(a.imports[name], string(found[1]))
		}
	}
	a.folder = "assets/" + hex.EncodeToString(sum.Sum(nil)[:6])
	return a, nil
}

// modules lists a module and all that it needs, sorted.
func (a *assets) modules(entry string) []string {
	needed := map[string]bool{entry: true}
	for queue := []string{entry}; len(queue) > 0; queue = queue[1:] {
		for _, name := range a.imports[queue[0]] {
			if !needed[name] {
				needed[name] = true
				queue = append(queue, name)
			}
		}
	}
	return slices.Sorted(maps.Keys(needed))
}

// handlers serve the files, by path.
func (a *assets) handlers() map[string]http.Handler {
	out := make(map[string]http.Handler, len(a.content))
	for name, content := range a.content {
		answer := newBody(assetTypes[path.Ext(name)], bytes.Clone(content))
		out["/"+a.folder+"/"+name] = getOnly(func(w http.ResponseWriter, r *http.Request) {
			answer.serve(keptForGood{w}, r)
		})
	}
	return out
}

// keptForGood lets everybody keep an answer: its address changes with its content.
type keptForGood struct{ http.ResponseWriter }

func (w keptForGood) WriteHeader(status int) {
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.ResponseWriter.WriteHeader(status)
}
