package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func without(env map[string]string, name string) map[string]string {
	delete(env, name)
	return env
}

func TestSecretFromFile(t *testing.T) {
	for content, want := range map[string]string{
		"0123456789abcdef": "0123456789abcdef", "0123456789abcdef\n": "0123456789abcdef", "0123456789abcdef\r\n": "0123456789abcdef",
		"0123456789abcdef\n\n": "0123456789abcdef\n", " 0123456789\xff\x00 ": " 0123456789\xff\x00 ",
	} {
		path := write(t, t.TempDir(), "key", content)
		c, warnings := mustLoad(t, without(least("STATUS_SECRET_BOOK_FILE", path), "STATUS_SECRET_BOOK"))
		if c.Book.Secret.Reveal() != want || c.sources["SECRET_BOOK"] != "file "+path {
			t.Errorf("%q gives %q from %s", content, c.Book.Secret.Reveal(), c.sources["SECRET_BOOK"])
		}
		if spaced := strings.TrimSpace(want) != want; spaced != (len(warnings) > 0) {
			t.Errorf("%q: warned %v", content, warnings)
		}
	}
}

func TestSecretFileFaults(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "nothing"): "no such file",
		dir:                           "not a regular file",
		pipe:                          "not a regular file",
		"/dev/zero":                   "not a regular file",
		write(t, dir, "empty", "\n"):  "it is empty",
		write(t, dir, "large", strings.Repeat("s", valueLimit+1)):  "larger than 64 KiB",
		write(t, dir, "key", "0123456789abcdef") + "/below-a-file": "not a directory",
	} {
		f := oneFault(t, without(least("STATUS_SECRET_BOOK_FILE", path), "STATUS_SECRET_BOOK"), "STATUS_SECRET_BOOK_FILE")
		if f.Value != path && len(path) < shownLimit || !strings.Contains(f.Want, want) || strings.Contains(f.Error(), "sssss") {
			t.Errorf("%s: %v", path, f)
		}
	}

	// A secret put where its file's name belongs is not repeated.
	f := oneFault(t, without(least("STATUS_SECRET_BOOK_FILE", "0123456789abcdef"), "STATUS_SECRET_BOOK"), "STATUS_SECRET_BOOK_FILE")
	if strings.Contains(f.Error(), "0123") || !strings.Contains(f.Want, "absolute path") {
		t.Error(f)
	}
	f = oneFault(t, least("STATUS_SECRET_BOOK_FILE", filepath.Join(dir, "key")), "STATUS_SECRET_BOOK_FILE")
	if !strings.Contains(f.Want, "only one of STATUS_SECRET_BOOK and STATUS_SECRET_BOOK_FILE") {
		t.Error(f)
	}
	if f := oneFault(t, least("STATUS_EMAIL_PASSWORD", strings.Repeat("p", valueLimit+1)), "STATUS_EMAIL_PASSWORD"); f.Value != mask {
		t.Error(f)
	}
}

func TestSecretFromCredential(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "status_secret_book", "credential-of-book\n")
	write(t, dir, "status_email_password", "password-of-mail")
	env := without(least("CREDENTIALS_DIRECTORY", dir), "STATUS_SECRET_BOOK")

	c, warnings := mustLoad(t, env)
	if c.Book.Secret.Reveal() != "credential-of-book" || c.sources["SECRET_BOOK"] != "credential status_secret_book" || c.Email.Password.Reveal() != "password-of-mail" {
		t.Errorf("got %q from %s", c.Book.Secret.Reveal(), c.sources["SECRET_BOOK"])
	}
	if len(warnings) != 1 || warnings[0].Variable != "STATUS_EMAIL_PASSWORD" { // auth is none
		t.Errorf("warned %v", warnings)
	}

	// What is set wins, and is said to.
	env["STATUS_SECRET_BOOK"] = "environment-of-book"
	c, warnings = mustLoad(t, env)
	if c.Book.Secret.Reveal() != "environment-of-book" || len(warnings) != 2 || !strings.Contains(warnings[1].Text, "credential status_secret_book is ignored") {
		t.Errorf("got %q, %v", c.Book.Secret.Reveal(), warnings)
	}
	delete(env, "STATUS_SECRET_BOOK")
	env["STATUS_SECRET_BOOK_FILE"] = write(t, t.TempDir(), "key", "file-of-book-file")
	if c, _ = mustLoad(t, env); c.Book.Secret.Reveal() != "file-of-book-file" {
		t.Errorf("got %q", c.Book.Secret.Reveal())
	}
	delete(env, "STATUS_SECRET_BOOK_FILE")

	write(t, dir, "status_secret_book", "")
	if f := oneFault(t, env, "STATUS_SECRET_BOOK"); !strings.Contains(f.Error(), "it is empty") {
		t.Error(f)
	}
}

func TestStateDirectory(t *testing.T) {
	for dirs, want := range map[string]string{
		"/var/lib/status@lab":           "/var/lib/status@lab/status.db",
		"/var/lib/one:/var/lib/two":     "/var/lib/one/status.db",
		"":                              "/var/lib/status/status.db",
		"relative":                      "/var/lib/status/status.db",
		":/second":                      "/var/lib/status/status.db",
		"/var/lib/private/with a blank": "/var/lib/private/with a blank/status.db",
	} {
		c, _ := mustLoad(t, least("STATE_DIRECTORY", dirs))
		if c.Store.Path != want {
			t.Errorf("%s: got %s", dirs, c.Store.Path)
		}
	}
	if c, _ := mustLoad(t, least("STATE_DIRECTORY", "/x", "STATUS_STORE", "memory")); !c.Store.Memory || c.Store.Path != "" {
		t.Errorf("got %+v", c.Store)
	}
	oneFault(t, least("STATE_DIRECTORY", "/odd?name"), "STATE_DIRECTORY")
}
