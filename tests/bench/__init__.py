"""The bench: callctl against plain Dial() on the same Asterisk in the same run; `make bench`."""
