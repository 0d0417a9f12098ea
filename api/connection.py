"""A client's connection, which refuses what isn't HTTP as everything is refused at this door."""

import re

from aiohttp import web

from api.errors import json_response, plain_error

_SENT = re.compile(r""":?\s*\n|: b['"]""")


class ErrorObjectHandler(web.RequestHandler):
    """aiohttp's own, but that its errors are OpenAI error objects: no application sees those."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.Response:
        """The answer to what cannot be read, such as a header that is too long; the last one here.

        What was sent is not told again: it stands behind what aiohttp says of it.
        """
        super().handle_error(request, status, exc, message)  # it is logged, if nothing has gone out
        if status < 500 and message:
            said = plain_error(f"the request cannot be read: {_SENT.split(message)[0]}")
        else:
            said = plain_error("internal error", kind="server_error", code="internal_error")
        answer = json_response(said, status=status)
        answer.force_close()
        return answer
