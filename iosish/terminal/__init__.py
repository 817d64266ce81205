"""Terminal sessions: the line editor, modes, pipes and paging, and the ways in."""
