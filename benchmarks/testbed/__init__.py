"""A plan on real processes: one per device, with a network namespace, a link and a share of a processor of its own."""
