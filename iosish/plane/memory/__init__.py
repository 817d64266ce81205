"""The memory plane: routers on wires in memory, with delay, loss and one clock."""
