"""How a request ended, in a word: statuses that stand for what gateways write down instead of a number."""

from __future__ import annotations

from collections.abc import Mapping

# In small letters.
ENDED: Mapping[str, int] = {
    "success": 200, "succeeded": 200, "ok": 200, "completed": 200, "error": 500, "failed": 500, "failure": 500,
    "timeout": 504, "cancelled": 499, "canceled": 499, "rate_limited": 429, "blocked": 403,
}  # fmt: skip
# Classes of errors that OpenAI's client, and who follows it, tells apart.
ERRORS: Mapping[str, int] = {
    "badrequesterror": 400, "contextwindowexceedederror": 400, "contentpolicyviolationerror": 400,
    "unsupportedparamserror": 400, "authenticationerror": 401, "permissiondeniederror": 403, "notfounderror": 404,
    "timeout": 408, "unprocessableentityerror": 422, "ratelimiterror": 429, "internalservererror": 500,
    "badgatewayerror": 502, "serviceunavailableerror": 503,
}  # fmt: skip
