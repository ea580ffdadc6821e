//go:build race

package health_test

const raceDetector = true // which makes everything several times slower
