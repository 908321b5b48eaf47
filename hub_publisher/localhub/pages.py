from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hub_publisher.localhub.refusal import Refusal


def show_refusal(request: Request, refusal: Refusal) -> Response:
    return JSONResponse(refusal.body, refusal.status, refusal.headers)
