"""Packet capture (`monitor capture`): points, what they match, their buffers, and the text and file of those."""
