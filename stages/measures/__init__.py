"""All numbers that the pipeline reports about its predictions and explanations.

`predictions` and `explanations` hold a measure a file, found by name: adding a file adds a measure.
`attributions` holds totals of the attributions and the tables made from them. evaluate, quality,
report, figures and the explorer page import from here.
"""
