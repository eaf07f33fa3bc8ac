"""Templates: hand-written shaders, and the HTML, CSS and JavaScript of the pages."""
