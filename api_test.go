package sojourn_test

import (
	"bytes"
	"flag"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/api.txt")

// TestAPI compares what the packages export with testdata/api.txt, so that no
// name comes, goes or changes unseen.
func TestAPI(t *testing.T) {
	var b bytes.Buffer
	names := 0
	for _, dir := range []string{".", "flask", "keys", "store", "memstore", "sqlstore", "storetest"} {
		lines := exported(t, dir)
		b.WriteString("package " + dir + "\n")
		for _, line := range lines {
			b.WriteString("\t" + line + "\n")
		}
		if dir == "." {
			names = topLevel(lines)
		}
	}
	const golden = "testdata/api.txt"
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("the exported names have changed; if that is meant, run make golden and say so in CHANGELOG.md\n%s", difference(string(want), b.String()))
	}
	if names > 90 {
		t.Errorf("the root package exports %d names; DESIGN allows 90", names)
	}
}

// exported lists the exported declarations of a package, sorted, without
// bodies and comments.
func exported(t *testing.T, dir string) []string {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var lines []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !ast.FileExports(f) {
			continue
		}
		for _, d := range f.Decls {
			lines = append(lines, declarations(t, fset, d)...)
		}
	}
	slices.Sort(lines)
	return lines
}

// declarations renders one declaration, a specification a line.
func declarations(t *testing.T, fset *token.FileSet, d ast.Decl) []string {
	var lines []string
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil && !exportedReceiver(d.Recv.List[0].Type) {
			return nil
		}
		d.Body = nil
		lines = append(lines, render(t, fset, d))
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if v, ok := spec.(*ast.ValueSpec); ok && d.Tok == token.VAR {
				v.Values = nil // what a variable holds is not its interface
			}
			if d.Tok != token.IMPORT {
				lines = append(lines, d.Tok.String()+" "+render(t, fset, spec))
			}
		}
	}
	return lines
}

func exportedReceiver(t ast.Expr) bool {
	switch t := t.(type) {
	case *ast.StarExpr:
		return exportedReceiver(t.X)
	case *ast.IndexExpr:
		return exportedReceiver(t.X)
	case *ast.Ident:
		return t.IsExported()
	}
	return true
}

func render(t *testing.T, fset *token.FileSet, node any) string {
	var b bytes.Buffer
	if err := format.Node(&b, fset, node); err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// topLevel counts the names that a reader of the package's index meets:
// everything but methods.
func topLevel(lines []string) int {
	n := 0
	for _, line := range lines {
		if !strings.HasPrefix(line, "func (") {
			n++
		}
	}
	return n
}

// difference lists the lines that only one of two texts has.
func difference(want, got string) string {
	var b strings.Builder
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for _, line := range w {
		if !slices.Contains(g, line) {
			b.WriteString("- " + line + "\n")
		}
	}
	for _, line := range g {
		if !slices.Contains(w, line) {
			b.WriteString("+ " + line + "\n")
		}
	}
	return b.String()
}
