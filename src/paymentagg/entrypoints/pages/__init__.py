"""The pages for browsers, made by the server: the same requests and permissions as the API, other responses."""
