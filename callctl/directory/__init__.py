"""What the operator provisions: tenants, lines, DIDs and tariffs; and where a caller's area is."""
