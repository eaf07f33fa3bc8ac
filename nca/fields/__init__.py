"""Fields: direction, size, pace and fraction of firing cells that vary over the grid."""
