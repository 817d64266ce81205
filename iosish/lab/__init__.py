"""A lab: many routers on one machine, cabled by their addresses."""
