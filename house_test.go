// Package labstatus_test holds the rules of the house: what has to be so in every
// package, whoever writes it. It never tests what a package does; each does that
// itself. `go test .` at the root of the repository calls it.
package labstatus_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "labstatus"

// generated is made from swagger.yaml and follows the generator's rules.
var generated = []string{"serve/models", "serve/restapi"}

// source is one hand-written Go file.
type source struct {
	path string // from the root, with slashes
	dir  string
	test bool
	file *ast.File
	fset *token.FileSet
}

func (s source) at(n ast.Node) string { return s.fset.Position(n.Pos()).String() }

// imports gives the file's imports by the name that they have in it.
func (s source) imports() map[string]string {
	found := map[string]string{}
	for _, spec := range s.file.Imports {
		full, _ := strconv.Unquote(spec.Path.Value) // it was parsed
		name := path.Base(full)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		found[name] = full
	}
	return found
}

// files calls visit for every file of the product with one of the endings.
func files(visit func(name string, content []byte), endings ...string) error {
	return filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		slashed := filepath.ToSlash(name)
		if d.IsDir() {
			hidden := name != "." && strings.HasPrefix(d.Name(), ".")
			if hidden || d.Name() == "testdata" || d.Name() == "vendor" || slices.Contains(generated, slashed) {
				return filepath.SkipDir
			}
			return nil
		}
		if !slices.Contains(endings, path.Ext(slashed)) {
			return nil
		}
		content, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			return nil // an editor's
		}
		if err == nil {
			visit(slashed, content)
		}
		return err
	})
}

// sources is everything that is written by hand, tests included.
func sources(t *testing.T) []source {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("found %d Go files: this test has to run at the root of the repository", len(all))
	}
	return all
}

// parsed reads it once for all rules.
var parsed = sync.OnceValues(func() (all []source, err error) {
	var faults []error
	err = files(func(name string, content []byte) {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, content, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s can't be parsed: %w", name, err))
			return
		}
		all = append(all, source{name, path.Dir(name), strings.HasSuffix(name, "_test.go"), file, fset})
	}, ".go")
	return all, errors.Join(append(faults, err)...)
})

// pure are the packages that a state machine needs: none of them reads a clock by
// itself, opens anything, or starts a goroutine.
var pure = []string{"cmp", "fmt", "maps", "slices", "sort", "strings", "time"}

// clocks are what package time offers beyond plain values.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

func TestHealthIsPure(t *testing.T) {
	for _, s := range sources(t) {
		if s.dir != "internal/health" || s.test {
			continue
		}
		for _, full := range s.imports() {
			if !slices.Contains(pure, full) {
				t.Errorf("%s imports %s: health turns facts into decisions and touches nothing, so that the same inputs give the same decisions; only %v are needed for that",
					s.path, full, pure)
			}
		}
		imports := s.imports()
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, is := n.(*ast.SelectorExpr); is && imports[nameOf(sel.X)] == "time" && slices.Contains(clocks, sel.Sel.Name) {
				t.Errorf("%s: time.%s in health: time is an argument there, it comes with the input", s.at(n), sel.Sel.Name)
			}
			if _, is := n.(*ast.GoStmt); is {
				t.Errorf("%s: health starts no goroutine: one loop owns the engine", s.at(n))
			}
			return true
		})
	}
}

// mayImport is which of our own packages each may import; one that isn't listed may
// import health and no other.
var mayImport = map[string][]string{
	"internal/health":    {},
	"internal/lab":       {}, // a laboratory that shared our types would agree with our mistakes
	"internal/config":    {},
	"internal/redirect":  {},
	"internal/telemetry": {"internal/health"},
	"internal/stats":     {"internal/health", "internal/redirect"},
	"internal/book":      {"internal/health", "internal/redirect"},
	"internal/observer":  {"internal/health", "internal/redirect"},
	"internal/relay":     {"internal/stats", "internal/health"},
	"internal/jump":      {"internal/stats", "internal/health"},
	"serve":              {"internal/health", "serve/models", "serve/restapi"},
	"internal/app": {
		"internal/config", "internal/relay", "internal/jump", "internal/stats", "internal/book", "internal/notify",
		"internal/store", "internal/history", "internal/telemetry", "internal/telemetry/statusport", "internal/observer",
		"internal/health", "serve",
	},
	"cmd/status": {
		"internal/app", "internal/config", "internal/relay", "internal/jump", "internal/stats", "internal/book", "internal/notify",
		"internal/store", "internal/telemetry", "internal/observer", "internal/health", "internal/lab", "serve",
	},
}

func TestImportsPointOneWay(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		allowed, listed := mayImport[s.dir]
		if !listed {
			allowed = []string{"internal/health"}
		}
		for _, full := range s.imports() {
			own, ours := strings.CutPrefix(full, module+"/")
			within := func(dir string) bool {
				return own == dir || strings.HasPrefix(own, dir+"/") && slices.Contains(generated, dir)
			}
			if ours && !slices.ContainsFunc(allowed, within) {
				t.Errorf("%s imports %s: imports point one way, cmd → app → {relay, jump → stats}, book, notify, store, serve, telemetry, observer → health → nothing of ours; adapters speak in health's words and never to each other (%s may import %v)",
					s.path, own, s.dir, allowed)
			}
		}
	}
}

var sentenceEnd = regexp.MustCompile(`[.!?](\s|$)`)

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	docs := map[string]string{}
	for _, s := range sources(t) {
		if s.test || s.dir == "." {
			continue
		}
		docs[s.dir] += s.file.Doc.Text()
	}
	for dir, text := range docs {
		if n := len(sentenceEnd.FindAllString(text, -1)); n < 2 {
			t.Errorf("%s: its package comment has %d sentences; it has to say what the package is for, what it never does and who calls it, so that a newcomer finds the file from the feature", dir, n)
		}
	}
}

// globalLog are logrus' functions at package level: they write through one global that nobody owns.
var globalLog = regexp.MustCompile(`^((Trace|Debug|Print|Info|Warn|Warning|Error|Panic|Fatal)(f|ln|Fn)?|With(Field|Fields|Error|Context|Time)|Set(Level|Output|Formatter|ReportCaller|BufferPool)|AddHook|StandardLogger)$`)

func TestNobodyLogsGlobally(t *testing.T) {
	for _, s := range sources(t) {
		imports := s.imports()
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, is := n.(*ast.SelectorExpr); is && imports[nameOf(sel.X)] == "github.com/sirupsen/logrus" && globalLog.MatchString(sel.Sel.Name) {
				t.Errorf("%s: logrus.%s: take a logrus.FieldLogger by constructor, so that the caller decides where it goes and a test can read it", s.at(n), sel.Sel.Name)
			}
			return true
		})
	}
}

func TestNoTestSleeps(t *testing.T) {
	all := sources(t)
	bubbles := map[string]bool{} // packages whose tests run on a clock of their own
	for _, s := range all {
		if s.test && s.imports()["synctest"] == "testing/synctest" {
			bubbles[s.dir] = true
		}
	}
	for _, s := range all {
		if !s.test || bubbles[s.dir] {
			continue
		}
		imports := s.imports()
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, is := n.(*ast.SelectorExpr); is && imports[nameOf(sel.X)] == "time" && sel.Sel.Name == "Sleep" {
				t.Errorf("%s: a test that sleeps is slow on a good day and fails on a bad one: run it in a testing/synctest bubble, or wait for what is expected", s.at(n))
			}
			return true
		})
	}
}

// TestEveryFuzzTargetKeepsItsInputs: go test reads what is kept below
// testdata/fuzz/<target> and nothing else, and says nothing of what lies elsewhere. A
// folder that was moved, or whose target was renamed, would be a test that nobody runs.
func TestEveryFuzzTargetKeepsItsInputs(t *testing.T) {
	targets := map[string]bool{} // by the folder of its inputs
	for _, s := range sources(t) {
		if !s.test {
			continue
		}
		for _, decl := range s.file.Decls {
			if f, is := decl.(*ast.FuncDecl); is && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Fuzz") {
				targets[path.Join(s.dir, "testdata/fuzz", f.Name.Name)] = true
			}
		}
	}
	if len(targets) < 10 {
		t.Fatalf("found %d fuzz targets: this rule looks in the wrong place", len(targets))
	}
	for dir := range targets {
		// A target without any has no folder: git keeps none that is empty.
		if inputs, err := os.ReadDir(dir); err != nil && !os.IsNotExist(err) {
			t.Error(err)
		} else if len(inputs) == 0 {
			t.Errorf("%s has no inputs: scripts/fuzz.sh keeps the shortest that it finds there, commit them with the target", dir)
		}
	}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		slashed := filepath.ToSlash(name)
		inside := strings.Contains("/"+slashed, "/testdata/")
		switch {
		case err != nil || !d.IsDir():
			return err
		case name != "." && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case inside && !targets[slashed] && (path.Base(path.Dir(slashed)) == "fuzz" || strings.HasPrefix(d.Name(), "Fuzz")):
			t.Errorf("%s belongs to no fuzz target: go test reads testdata/fuzz/<target> beside the target's file, and nothing else", slashed)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNothingIsLeftForLater(t *testing.T) {
	words := []string{"TO" + "DO", "FIX" + "ME", "XX" + "X"}
	left := regexp.MustCompile(`\b(` + strings.Join(words, "|") + `)\b`)
	err := files(func(name string, content []byte) {
		text := string(content)
		if !slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) }) {
			return // a look that is far quicker than the exact one
		}
		for i, line := range strings.Split(text, "\n") {
			if left.MatchString(line) {
				t.Errorf("%s:%d: %s\ndo it now, or say in words what is so; nobody comes back to a reminder", name, i+1, strings.TrimSpace(line))
			}
		}
	}, ".go", ".sh", ".yaml", ".yml", ".html", ".css", ".js")
	if err != nil {
		t.Fatal(err)
	}
}

func nameOf(x ast.Expr) string {
	if id, is := x.(*ast.Ident); is {
		return id.Name
	}
	return ""
}
