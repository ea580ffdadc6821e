package health

import "strings"

// SplitTopic takes a stream's topic apart: pend00-st-video is stream st-video of
// pend00. The stub is what stands before the last "-st-"; ok is false where
// either part is missing, as such a topic belongs to no experiment.
func SplitTopic(topic string) (stub, stream string, ok bool) {
	const sep = "-st-"
	i := strings.LastIndex(topic, sep)
	if i <= 0 || i+len(sep) == len(topic) {
		return "", "", false
	}
	return topic[:i], topic[i+1:], true
}
