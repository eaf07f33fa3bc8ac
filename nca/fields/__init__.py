"""Fields: direction, size, pace and share of firing cells that vary over the grid."""
