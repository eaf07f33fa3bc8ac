"""Turn rules into files for other programs; see :mod:`nca.exporters.registry`."""
