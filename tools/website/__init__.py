"""The site: generated pages that `make docs` adds to the pages in docs/."""
