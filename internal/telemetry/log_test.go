package telemetry_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"labstatus/internal/telemetry"
)

func TestLogGoesToItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "status.log")
	log, warning := telemetry.NewLog(telemetry.LogOptions{Level: logrus.WarnLevel, File: path})
	if warning != nil {
		t.Fatal(warning)
	}
	log.Info("too quiet")
	log.Warn("first")

	// logrotate moves the file away and sends SIGHUP
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := log.Reopen(); err != nil {
		t.Fatal(err)
	}
	log.Warn("second")
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{path + ".1": "first", path: "second"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), want) || strings.Contains(string(text), "too quiet") {
			t.Errorf("%s holds %q, want only %q in it", filepath.Base(file), text, want)
		}
	}
}

func TestLogFallsBackToStderr(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a file, not a folder")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	log, warning := telemetry.NewLog(telemetry.LogOptions{Level: logrus.WarnLevel, File: filepath.Join(file, "status.log"), Stderr: &stderr})
	if warning == nil || !strings.Contains(warning.Error(), "STATUS_LOG_FILE") {
		t.Errorf("the warning names no cure: %v", warning)
	}
	log.Warn("heard")
	if !strings.Contains(stderr.String(), "heard") {
		t.Errorf("stderr holds %q", stderr.String())
	}
}
