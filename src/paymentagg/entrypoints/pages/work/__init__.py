"""Uploads and undos as work of their owners: previewed and applied beside the requests; knows no Pyramid."""
