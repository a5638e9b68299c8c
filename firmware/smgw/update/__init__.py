"""Updates of the image by RAUC: two root slots, bundles, and when a slot counts as good."""
