"""The router's files: `flash:`, and plain paths of the machine."""

from iosish.files.files import MAX_FILE_BYTES, Entry, Files
from iosish.files.name import FileName, NameFault, parse

__all__ = ["MAX_FILE_BYTES", "Entry", "FileName", "Files", "NameFault", "parse"]
