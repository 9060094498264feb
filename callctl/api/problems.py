"""Errors as HTTP answers: the one table of code -> status."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from callctl.errors import CallctlError

STATUS_OF_CODE = {
    "not-found": 404,
    "account-unknown": 404,
    "invalid-input": 422,
    "configuration-refused": 422,
    "transfer-mismatch": 409,
    "database-unavailable": 503,
    "database-busy": 503,
    "ari-unavailable": 503,
    "ami-unavailable": 503,
}
"""Any other code is 500: ours to repair."""


class Problem(BaseModel):
    """What every error answers: a code for programs, words for people."""

    code: str
    message: str
    retryable: bool


def install(app: FastAPI) -> None:
    """Let `app` answer every CallctlError by the table."""
    app.add_exception_handler(CallctlError, _answer)


async def _answer(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, CallctlError):
        raise error
    problem = Problem(code=error.code, message=str(error), retryable=error.retryable)
    return JSONResponse(problem.model_dump(), STATUS_OF_CODE.get(error.code, 500))
