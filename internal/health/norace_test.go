//go:build !race

package health_test

const raceDetector = false
