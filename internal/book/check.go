package book

import (
	"context"
	"fmt"
)

// Finding is what a check of book found.
type Finding struct {
	Resources   int
	Experiments int      // topic stubs behind the resources
	Warnings    []string // for a maintainer
}

// Check reaches book once and reads what it offers, and the availability of the
// first resource. It changes nothing.
func Check(ctx context.Context, c *Client) (Finding, error) {
	defer c.Close()
	resources, warnings, err := c.Manifest(ctx)
	if err != nil {
		return Finding{}, err
	}
	stubs := make(map[string]bool)
	for _, r := range resources {
		stubs[r.Stub] = true
	}
	found := Finding{Resources: len(resources), Experiments: len(stubs), Warnings: warnings}
	if len(resources) == 0 {
		found.Warnings = append(found.Warnings, "book's manifest is empty: upload one, if book has just been started")
		return found, nil
	}
	if _, _, err := c.Availability(ctx, resources[0].Name); err != nil {
		return found, fmt.Errorf("the manifest was read, and then: %w", err)
	}
	return found, nil
}
