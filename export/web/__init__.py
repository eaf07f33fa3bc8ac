"""What pages, elements and galleries share."""
