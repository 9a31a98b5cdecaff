"""The description of the API in OpenAPI 3.1, generated from the types and tables that the API itself uses."""
