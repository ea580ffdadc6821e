//go:build race

package main

const raceDetector = true // which makes everything several times slower
