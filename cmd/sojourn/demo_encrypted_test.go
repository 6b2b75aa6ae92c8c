package main

import (
	"context"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/cmd/sojourn/internal/anatomy"
	"github.com/sojourn-go/sojourn/cmd/sojourn/internal/demo"
)

// cookie is the demo's cookie in the browser; "" if it has none.
func (v *visitor) cookie(d *demoProcess) string {
	v.t.Helper()
	u, err := url.Parse(d.url)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, c := range v.client.Jar.Cookies(u) {
		if c.Name == demo.CookieName {
			return c.Value
		}
	}
	return ""
}

// copied is another browser that has the same cookies.
func (v *visitor) copied(d *demoProcess) *visitor {
	v.t.Helper()
	u, err := url.Parse(d.url)
	if err != nil {
		v.t.Fatal(err)
	}
	other := newVisitor(v.t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		v.t.Fatal(err)
	}
	jar.SetCookies(u, v.client.Jar.Cookies(u))
	other.client.Jar = jar
	return other
}

func lacks(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(text, part) {
			t.Errorf("%q is in\n%s", part, text)
		}
	}
}

// keyFile makes a key file as "sojourn key new" does.
func keyFile(t *testing.T) string {
	t.Helper()
	return writeFile(t, "demo.key", []byte(call(t, "", "key", "new").stdout))
}

// TestDemoEncrypted: with a key of its own, sessions in encrypted cookies end when
// it stops; with one from a file they survive, and the tool reads them.
func TestDemoEncrypted(t *testing.T) {
	d, v := startDemo(t, nil, "--keep", "encrypted"), newVisitor(t)
	wants(t, d.greeting, "its sessions are kept in encrypted cookies; it made a key for itself, so they end when it stops\n",
		"signing out ends copies of a cookie too: the list of ended sessions is in memory of this process,\nand so is what outgrows its cookie\n")
	wants(t, v.at(d, "/sign-in", "name", "Ada"), "What your browser holds", "<bdi>Ada</bdi>, who is signed in")
	if log := d.stop(); strings.Contains(log, v.cookie(d)) {
		t.Errorf("the log holds the cookie\n%s", log)
	}

	key := keyFile(t)
	d = startDemo(t, nil, "--keep", "encrypted", "--secret-file", key)
	wants(t, d.greeting, "its sessions are kept in encrypted cookies\n", "it is lost when the demo stops", "--store keeps it")
	wants(t, v.at(d, ""), "<h1>Welcome</h1>", "<strong>Refused</strong> (key: ")
	v.at(d, "/sign-in", "name", "Ada")
	v.at(d, "/cart/add", "product", "tea")
	d.kill()
	d = startDemo(t, nil, "--keep", "encrypted", "--secret-file", key)
	wants(t, v.at(d, ""), "<h1>Welcome, <bdi>Ada</bdi></h1>", `"cart": {"tea": 1}`)
	d.stop()
}

// TestDemosShareList: two demos with one key have the same sessions, and with one
// store the same list: what ends in one has ended in the other, and stays so after
// a restart. So it is with a copy of a cookie, and with signed ones.
func TestDemosShareList(t *testing.T) {
	for _, form := range []string{"encrypted", "flask"} {
		t.Run(form, func(t *testing.T) {
			args := []string{"--keep", form, "--secret-file", keyFile(t), "--store", "sqlite:" + filepath.Join(t.TempDir(), "ended.db")}
			one, two := startDemo(t, nil, args...), startDemo(t, nil, args...)
			wants(t, one.greeting, "signing out ends copies of a cookie too: the list of ended sessions is in SQLite, in ")
			lacks(t, one.greeting, "lost when")
			v := newVisitor(t)
			v.at(one, "/sign-in", "name", "Ada")
			wants(t, v.at(two, ""), "<h1>Welcome, <bdi>Ada</bdi></h1>")
			thief := v.copied(one)
			wants(t, thief.at(two, ""), "<h1>Welcome, <bdi>Ada</bdi></h1>")
			v.at(one, "/sign-out")
			wants(t, thief.at(two, ""), "<h1>Welcome</h1>", "(revoked: ")

			v.at(one, "/sign-in", "name", "Ada")
			thief = v.copied(one)
			elsewhere := newVisitor(t)
			elsewhere.at(two, "/sign-in", "name", "Ada")
			elsewhere.at(two, "/sessions/end-all")
			one.stop()
			two.stop()
			one = startDemo(t, nil, args...)
			wants(t, v.at(one, ""), "<h1>Welcome</h1>", "(revoked: ")
			wants(t, thief.at(one, ""), "<h1>Welcome</h1>", "(revoked: ")
			one.stop()
		})
	}
}

// TestDemoRotates: while the demo runs, its key file gets another key, and that is
// activated: nobody is signed out, and cookies are written anew. The demo reads the
// file by itself about twice a minute, which package demo tests; here the ring is
// told to.
func TestDemoRotates(t *testing.T) {
	for form, files := range map[string]int{"one file": 1, "two files": 2} {
		t.Run(form, func(t *testing.T) {
			key := keyFile(t)
			how := demoKeeping{keep: "encrypted", keepGiven: true, files: []string{key, keyFile(t)}[:files]}
			var config demo.Config
			_, end, err := how.open(context.Background(), &config)
			if err != nil {
				t.Fatal(err)
			}
			defer end()
			app, err := demo.New(config)
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(app)
			defer server.Close()
			d, v := &demoProcess{url: server.URL}, newVisitor(t)
			v.at(d, "/sign-in", "name", "Ada")
			keyOf := func() string {
				s, ok := anatomy.OfSealed(v.cookie(d))
				if !ok {
					t.Fatalf("cookie %q", v.cookie(d))
				}
				return s.KeyID
			}
			former := keyOf()

			if got := call(t, "", "key", "add", key); got.code != exitOK {
				t.Fatalf("%+v", got)
			}
			reload(t, &config)
			wants(t, v.at(d, ""), "next: it reads, and will write")
			id := nextKey(t, &config)
			if keyOf() != former {
				t.Error("the next key writes")
			}
			if got := call(t, "", "key", "activate", key, id); got.code != exitOK {
				t.Fatalf("%+v", got)
			}
			reload(t, &config)
			page := v.at(d, "")
			wants(t, page, "<h1>Welcome, <bdi>Ada</bdi></h1>", "as this answer brings it", "<code>"+id+"</code>, the public name of the key: it is active here",
				"<code>"+former+"</code></dt><dd>read-only: it reads what it wrote before")
			if keyOf() != id {
				t.Errorf("the cookie has key %s, not %s", keyOf(), id)
			}
			if got := call(t, "", "key", "retire", key, former); got.code != exitOK {
				t.Fatalf("%+v", got)
			}
			reload(t, &config)
			wants(t, v.at(d, ""), "<h1>Welcome, <bdi>Ada</bdi></h1>", "reads nothing any more")
		})
	}
}

// TestDemoRotatesSigned: signed cookies follow one file that "sojourn key add" has
// written.
func TestDemoRotatesSigned(t *testing.T) {
	key := keyFile(t)
	if got := call(t, "", "key", "add", key); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	how := demoKeeping{keep: "flask", keepGiven: true, files: []string{key}}
	var config demo.Config
	if _, _, err := how.open(context.Background(), &config); err != nil {
		t.Fatal(err)
	}
	id := nextKey(t, &config)
	if got := call(t, "", "key", "activate", key, id); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	if reload(t, &config); config.Ring.Active().ID() != id {
		t.Error("the file was not read again")
	}
}

func reload(t *testing.T, config *demo.Config) {
	t.Helper()
	if err := config.Ring.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// nextKey is the id of the key that is next.
func nextKey(t *testing.T, config *demo.Config) string {
	t.Helper()
	for _, info := range config.Ring.Info() {
		if info.State == "next" {
			return info.ID
		}
	}
	t.Fatal("no key is next")
	return ""
}

// TestJoinKeyFiles: several files are one ring, in the order given, with the
// states and times of each key; no key is there twice.
func TestJoinKeyFiles(t *testing.T) {
	first, second := keyFile(t), keyFile(t)
	if got := call(t, "", "key", "add", first); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	both, err := sealingRing([]string{first, second, first})
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, info := range both.Info() {
		states = append(states, string(info.State))
	}
	if got := strings.Join(states, " "); got != "active next read-only" {
		t.Errorf("states %q", got)
	}
	alone, err := sealingRing([]string{first})
	if err != nil || both.Active().ID() != alone.Active().ID() {
		t.Errorf("the active key is not the first file's, %v", err)
	}
	if both.Info()[1].Created.IsZero() || !both.Info()[1].Created.Equal(alone.Info()[1].Created) {
		t.Error("the times are lost")
	}
	if _, err := sealingRing([]string{first, os.DevNull}); err == nil {
		t.Error("an empty file has no key")
	}
}
