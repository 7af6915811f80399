"""The controller: drives a database, breaks it, lets it recover, keeps what was seen."""
