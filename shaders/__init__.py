"""Hand-written GLSL and the page's HTML, CSS and JavaScript, as templates."""
