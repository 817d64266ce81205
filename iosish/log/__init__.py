"""The router's log: what becomes of a message or a line of `debug`, how it is written, where it goes."""
