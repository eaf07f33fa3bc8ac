"""The website: pages that `make docs` generates in addition to the pages in docs/."""
