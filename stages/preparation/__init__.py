"""From raw images to splits: what is checked, divided and resized. For preprocess alone."""
