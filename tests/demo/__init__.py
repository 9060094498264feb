"""The demo: real calls on the whole product, and the checks of them, which tests/sip runs too."""
