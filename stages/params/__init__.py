"""One module per section of `params.yaml`: the types, limits and messages of its keys.

Stages and packages import the sections that they use. Only check and tools import `whole`, since a
stage that depends on all sections would rerun after every edit.
"""
