"""The views of the API: parse the request, call the domain, build the response."""
