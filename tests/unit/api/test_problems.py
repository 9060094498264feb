"""The table of errors and HTTP statuses."""

from callctl import errors
from callctl.api.problems import STATUS_OF_CODE


def test_every_status_is_of_a_code_that_exists() -> None:
    """No line of the table is for a code that no error has."""
    codes = {
        kind.code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.CallctlError)
    }

    assert set(STATUS_OF_CODE) <= codes


def test_what_may_be_tried_again_is_503() -> None:
    """A retryable error is told as "come back later"."""
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.CallctlError) and kind.retryable:
            assert STATUS_OF_CODE[kind.code] == 503
