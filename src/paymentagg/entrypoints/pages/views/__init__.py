"""The views of the pages: parse the request, read or change, render a template."""
