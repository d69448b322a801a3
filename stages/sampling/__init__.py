"""Which images: samples by class, the background, the images to explain.

For preprocess (`strata`, through `preparation`), explain, and the contract of methods.
"""
