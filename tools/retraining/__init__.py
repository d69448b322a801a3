"""`make retrain`: what other trainings of the same network say about the same images.

`queue` trains through DVC, `sample` reads, `bands`, `likeness`, `readings` and `spread` count, the
others write. Only this package imports its modules.
"""
