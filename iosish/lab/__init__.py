"""Labs: many routers on one machine, each in a network namespace, cabled as their addresses say."""
