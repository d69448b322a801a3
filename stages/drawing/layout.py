"""Distances that pictures share, in pixels."""

MARGIN = 16  # between the edge of a picture and what stands in it
GAP = 6  # between thumbnails
NARROWEST_PAGE = 860  # so that captions stay short
PAGE_WIDTH = 1220  # what few columns of large thumbnails may fill; many small ones may need more
PAGE_HEIGHT = 1400  # what the rows of a contact sheet may fill
NARROWEST_COLUMN = 84  # so that a class name above it stays readable
SMALLEST_THUMBNAIL = 84

TITLE_TOP = 14
UNDER_THUMBNAIL_TOP = 4  # from a thumbnail to the number under it
LINE = 16  # from line to line beside a thumbnail
FOLDED_LINE = 15  # from line to line of a class name
MARK_WIDTH = 14  # of ✓ or ✗ before a name
