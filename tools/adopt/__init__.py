"""`python -m tools.adopt`: a pretrained network as a recipe; a module for each kind of source."""
