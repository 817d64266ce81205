"""Sessions: line editor, modes, pipes, paging; and the ways into a router."""
