package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// valueLimit bounds every value, from the environment or a file, in bytes.
const valueLimit = 64 << 10

const (
	sourceDefault     = "default"
	sourceEnvironment = "environment"
	sourceAlias       = "alias "
	sourceFile        = "file "
	sourceCredential  = "credential "
)

// credentialName is what a systemd unit calls it, as in
// LoadCredential=status_secret_book:/etc/status/secret_book.
func credentialName(s Setting) string { return strings.ToLower(s.Variable()) }

// variableOf is the variable the value came from: an alias where one was used.
func (l *loading) variableOf(s Setting) string {
	if alias, ok := strings.CutPrefix(l.config.sources[s.Name], sourceAlias); ok {
		return alias
	}
	return s.Variable()
}

// gather fills viper's layers with everything that is said about one setting.
func (l *loading) gather(s Setting) {
	l.values.SetDefault(s.Name, s.Default)
	if value, variable, ok := l.environment(s); ok {
		l.values.Set(s.Name, value)
		l.config.sources[s.Name] = sourceEnvironment
		if variable != s.Variable() {
			l.config.sources[s.Name] = sourceAlias + variable
		}
	}
	if !s.Secret {
		return
	}
	value, source, ok := l.secretFile(s)
	if !ok {
		return
	}
	if err := l.values.MergeConfigMap(map[string]any{s.Name: value}); err != nil {
		l.fault(s.Name, &Fault{Variable: s.Variable(), Value: mask, Want: "a value that can be merged with the others"})
		return
	}
	if _, set := l.config.sources[s.Name]; set {
		l.warn(s.Variable(), "taken from the environment; the "+source+" is ignored")
		return
	}
	l.config.sources[s.Name] = source
}

// environment finds a setting under its name or, failing that, an older one.
// Set but empty counts as not set.
func (l *loading) environment(s Setting) (value, variable string, ok bool) {
	for _, name := range append([]string{s.Name}, s.Aliases...) {
		name = Prefix + name
		raw, set := l.lookup(name)
		if !set || strings.TrimSpace(raw) == "" {
			continue
		}
		if ok {
			l.warn(name, "ignored, because "+variable+" is set, which is its newer name")
			continue
		}
		if len(raw) > valueLimit {
			f := &Fault{Variable: name, Value: raw, Want: fmt.Sprintf("at most %d KiB", valueLimit>>10)}
			if s.Secret || s.confided {
				f.Value = mask
			}
			l.fault(s.Name, f)
		}
		if trimmed := l.trim(s, name, raw); trimmed != "" {
			value, variable, ok = trimmed, name, true
		}
	}
	return value, variable, ok
}

// trim takes off what env files and shells leave around a value. Of a secret
// nothing is taken: every byte is part of the key.
func (l *loading) trim(s Setting, variable, raw string) string {
	value := strings.TrimSpace(raw)
	if s.Secret {
		if value != raw {
			l.warn(variable, "begins or ends with a blank or a line break, which is taken as part of it")
		}
		if _, ok := unquote(value); ok {
			l.warn(variable, "begins and ends with quotes, which are taken as part of it")
		}
		return raw
	}
	if inner, ok := unquote(value); ok {
		l.warn(variable, "begins and ends with quotes, which were removed: whatever sets it passes them on")
		return strings.TrimSpace(inner)
	}
	return value
}

// unquote reports whether one pair of quotes encloses all of value. Quotes
// within are somebody's meaning.
func unquote(value string) (inner string, ok bool) {
	if len(value) < 2 {
		return "", false
	}
	quote := value[:1]
	inner = value[1 : len(value)-1]
	return inner, (quote == `"` || quote == "'") && strings.HasSuffix(value, quote) && !strings.Contains(inner, quote)
}

// secretFile reads what STATUS_X_FILE names or, failing that, the credential
// systemd passes.
func (l *loading) secretFile(s Setting) (value, source string, ok bool) {
	variable := s.Variable() + "_FILE"
	if path, _ := l.lookup(variable); strings.TrimSpace(path) != "" {
		path = strings.TrimSpace(path)
		fault := func(value, want string) {
			l.fault(s.Name, &Fault{Variable: variable, Value: value, Want: want})
		}
		if _, set := l.config.sources[s.Name]; set {
			fault(mask, "only one of "+s.Variable()+" and "+variable)
			return "", "", false
		}
		// A relative path would depend on where we are started; and what has no
		// slash in front may well be the secret itself, put into the wrong variable.
		if !filepath.IsAbs(path) {
			fault(mask, "the absolute path of a file that holds the secret, not the secret")
			return "", "", false
		}
		content, err := readSecret(path)
		if err != nil {
			fault(path, "a readable file with the secret: "+err.Error())
			return "", "", false
		}
		return l.trim(s, variable, content), sourceFile + path, true
	}
	dir, _ := l.lookup("CREDENTIALS_DIRECTORY")
	if !filepath.IsAbs(dir) {
		return "", "", false
	}
	path := filepath.Join(dir, credentialName(s))
	content, err := readSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", false
	}
	if err != nil {
		l.fault(s.Name, &Fault{Variable: s.Variable(), Value: path, Want: "a readable credential: " + err.Error()})
		return "", "", false
	}
	return l.trim(s, s.Variable(), content), sourceCredential + credentialName(s), true
}

// readSecret returns a file's content without the line break editors add. Its
// errors never quote the content.
func readSecret(path string) (string, error) {
	// Without O_NONBLOCK, opening a named pipe would wait for its writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", reason(err)
	}
	// Closing what was only read has nothing to lose.
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", reason(err)
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("it is not a regular file")
	}
	content, err := io.ReadAll(io.LimitReader(f, valueLimit+1))
	switch {
	case err != nil:
		return "", reason(err)
	case len(content) > valueLimit:
		return "", fmt.Errorf("it is larger than %d KiB", valueLimit>>10)
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if strings.TrimSpace(secret) == "" {
		return "", errors.New("it is empty")
	}
	return secret, nil
}

// reason drops the path from an error, which the Fault already names.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
