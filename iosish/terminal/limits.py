"""What a session takes and holds at most: whoever is at the terminal is not to cost the router memory or time."""

#: Characters of a line. IOS itself takes 254; a pasted configuration may hold longer ones.
LINE_LIMIT = 4096
#: Received and not yet taken; a client that sends faster waits.
INPUT_LIMIT_BYTES = 1 << 16
#: Text collected before it is handed to the way out.
OUTPUT_CHUNK = 1 << 14
#: Sent without asking whether the client reads.
UNDRAINED_BYTES = 1 << 16
#: A log line is dropped for a client that has so much unread.
LOG_BACKLOG_BYTES = 1 << 16
#: Log lines that wait while a page is shown.
HELD_LOG_LINES = 100
#: After so long without a pause a session lets the loop run the router's timers.
SLICE_S = 0.02
