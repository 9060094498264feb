"""The console's page and its two files; wired into the web process by app.web.

The page is made whole on the server and escaped; console.js then refreshes the live calls
from /v1/calls each second. Nothing is loaded from elsewhere.
"""

from datetime import datetime
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from callctl.values.money import format_micros
from callctl.views import CdrFilter, Views

_FOLDER = Path(__file__).parent
_CDRS_SHOWN = 20
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def build(views: Views) -> APIRouter:
    """Return the router of / and the page's style and script."""
    router = APIRouter(include_in_schema=False)
    pages = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined
    )
    pages.filters["money"] = format_micros
    pages.filters["local"] = _local
    page = pages.get_template("page.html")

    @router.get("/")
    async def show() -> HTMLResponse:
        return HTMLResponse(
            page.render(
                calls=await views.live_calls(),
                cdrs=await views.cdrs(CdrFilter(limit=_CDRS_SHOWN)),
                accounts=[a for a in await views.accounts() if a.kind == "prepaid"],
            ),
            headers=_HEADERS,
        )

    @router.get("/console.css")
    async def style() -> FileResponse:
        return FileResponse(_FOLDER / "console.css", media_type="text/css")

    @router.get("/console.js")
    async def script() -> FileResponse:
        return FileResponse(_FOLDER / "console.js", media_type="text/javascript")

    return router


def _local(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""
