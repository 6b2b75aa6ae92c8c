package sojourn_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/sojourn-go/sojourn"

// mayImport says which packages of ours a package may use; what is not listed
// may use none. Imports run one way. Do not change this table to mend a build:
// change the import, or DESIGN's house plan first.
var mayImport = map[string][]string{
	".":                         {"keys", "store", "internal/handle", "internal/header", "internal/queue", "internal/record", "internal/revoked", "internal/seal", "internal/tagged", "internal/writer"},
	"store":                     {"internal/handle"},
	"memstore":                  {"store"},
	"sqlstore":                  {"store", "sqlstore/internal/upgrade"},
	"sqlstore/internal/upgrade": {},
	"storetest":                 {"store"},
	"storetest/engines":         {},
	"internal/queue":            {},
	"internal/record":           {"store", "internal/handle", "internal/tagged"},
	"internal/revoked":          {"store", "internal/handle"},
	"internal/seal":             {},
	"keys":                      {},
	"internal/handle":           {},
	"internal/header":           {},
	"internal/tagged":           {},
	"internal/writer":           {},
	"flask":                     {".", "keys", "internal/handle", "internal/record", "internal/tagged"},
	"examples/cart":             {".", "memstore", "store"},
	"examples/encrypted":        {".", "keys", "memstore", "store"},
	"examples/quickstart":       {".", "keys", "flask"},
	"examples/login":            {".", "keys", "flask"},
	"examples/preferences":      {".", "keys", "flask"},
}

// TestImports holds the root module to its table and to the standard library.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}}:{{join .Imports \" \"}}", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		path, imports, _ := strings.Cut(strings.TrimSpace(line), ":")
		name := relative(path)
		allowed, listed := mayImport[name]
		if !listed {
			t.Errorf("package %s is not in the table of imports", name)
			continue
		}
		seen++
		for imported := range strings.FieldsSeq(imports) {
			ours := strings.HasPrefix(imported, module)
			if !ours && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
				t.Errorf("%s imports %s: the root module needs only the standard library", name, imported)
			}
			if ours && !contains(allowed, relative(imported)) {
				t.Errorf("%s imports %s", name, relative(imported))
			}
		}
	}
	if seen != len(mayImport) {
		t.Errorf("%d packages of %d in the table exist", seen, len(mayImport))
	}
}

func relative(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// TestModules: the root module requires nothing, nested modules leave its
// internal packages alone, and no test helper reaches a user's program.
func TestModules(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mod), "require") {
		t.Error("the root go.mod requires something")
	}
	files, err := filepath.Glob("*/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	more, _ := filepath.Glob("*/*/go.mod")
	if files = append(files, more...); len(files) < 3 {
		t.Fatalf("found the nested modules %q", files)
	}
	for _, file := range files {
		cmd := exec.Command("go", "list", "-test", "-f", "{{.ImportPath}}:{{join .Imports \" \"}}", "./...")
		cmd.Dir = filepath.Dir(file)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line[strings.Index(line, ":"):], module+"/internal/") {
				t.Errorf("%s uses an internal package of the root module: %s", file, line)
			}
		}
	}
}

// TestReadme: the README's first program is the compiled example, to the
// letter.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("examples/quickstart/main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, found := strings.Cut(string(readme), "```go\n")
	code, _, _ = strings.Cut(code, "```")
	code = strings.TrimSpace(code)
	if !found || len(code) < 500 || !strings.Contains(string(example), code) {
		t.Error("the README's first Go block is not part of examples/quickstart/main.go")
	}
}
