// Command status keeps a remote laboratory honest: it watches its experiments,
// keeps their bookings right and tells its maintainers.
//
// This package turns flags and the environment into settings and calls
// internal/app; it holds no behaviour of the server itself.
package main
