"""All numbers that the pipeline reports about its predictions and explanations.

`predictions` and `explanations` have one file per measure: adding a file adds a measure.
`attributions` has totals of the attributions and the tables made from them. evaluate, quality,
report, figures and the explorer page import from here.
"""
