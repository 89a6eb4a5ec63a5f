"""The composition root of a server: builds the application, wires services and controllers, runs it."""
