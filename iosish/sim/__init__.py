"""Many routers on one clock and one seed, without a kernel: the same Router, on the memory plane."""
