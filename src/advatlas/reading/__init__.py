"""Study files: read, checked, and turned into the objects of :mod:`advatlas.studies`."""
