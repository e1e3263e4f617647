"""How the native parts of covet are built; not part of the installed package."""
