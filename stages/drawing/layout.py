"""Distances that all pictures share, in pixels."""

MARGIN = 16  # between the edge of a picture and its content
GAP = 6  # between thumbnails
NARROWEST_PAGE = 860  # so that captions stay short
PAGE_WIDTH = 1220  # limit for few columns of large thumbnails; many small ones may need more
PAGE_HEIGHT = 1400  # limit for the rows of a contact sheet
NARROWEST_COLUMN = 84  # so that a class name above it stays readable
SMALLEST_THUMBNAIL = 84

TITLE_TOP = 14
SIDE_NOTE_TOP = 17  # right of the title
UNDER_THUMBNAIL_TOP = 4  # from a thumbnail to the number under it
LINE = 16  # between lines of text beside a thumbnail
FOLDED_LINE = 15  # between the two lines of a class name
MARK_WIDTH = 14  # ✓ or ✗ before a name
