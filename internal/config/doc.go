// Package config turns the process environment into the server's settings.
//
// One table (Table) holds every setting: its variable, type, default, limits,
// help and the field it fills. Loading, validation, `status serve --help`, the
// README's table and `status config` are all made from it, so they cannot
// disagree. Load is the only way in: the real server, the demo and the tests
// differ only in the lookup they pass. The package also owns Secret, the type
// every key and password has from the moment it is read.
//
// It never logs, never starts anything, never opens a network connection and
// writes no file; the only files it reads are the secret files a setting or
// $CREDENTIALS_DIRECTORY names. No error, warning or text it makes holds a
// secret.
//
// Called by cmd/status (Load, Help, Explain) and by app, which hands the parts
// of Config to the packages they belong to.
package config
