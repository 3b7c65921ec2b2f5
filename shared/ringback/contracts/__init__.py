"""The events that services tell each other, as data: DESIGN section 5 in code.

`catalogue.EVENT_TYPES` lists them, `envelope` is how one travels.
"""
