"""The shapes of answers about budgets and incidents, for OpenAPI. Money is exact decimal text in USD."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_EXACT = ConfigDict(extra="forbid")
_USD = "USD as exact decimal text."


class GuardBody(BaseModel):
    """The call that is about to be made. What is left out is not known; null is known to be none."""

    model_config = _EXACT
    endpoint: str | None = None
    token: str | None = Field(default=None, description="The key's id; a raw key is turned into its public form first.")
    token_name: str | None = None
    user: str | None = None
    owner: str | None = None
    tags: list[str] | None = None
    model: str | None = None
    provider: str | None = None
    team: str | None = None
    session: str | None = None
    estimated_cost: str | None = Field(default=None, description="USD; left out: what such calls usually cost.")
    id: str | None = Field(default=None, description="The id that the log will carry: its row ends the reservation.")


class GuardBudget(BaseModel):
    """A budget that the call counts against."""

    model_config = _EXACT
    name: str
    value: str | None = Field(default=None, description="Of a budget for each value of a dimension.")
    mode: Literal["soft", "hard"]
    limit_usd: str = Field(description=_USD)
    spent_usd: str | None = Field(description="What the log says; null is not known.")
    reserved_usd: str = Field(description="Set aside for calls under way.")
    left_usd: str | None
    unpriced_requests: int = Field(description="Requests without a price: spent_usd is a lower bound.")
    resets_at: str | None = Field(description="null: rolling.")


class NotMatched(BaseModel):
    """A budget that could not be held against the call."""

    model_config = _EXACT
    name: str
    needs: str = Field(description="The field that the call would have to carry.")


class GuardAnswer(BaseModel):
    """The call may be made."""

    model_config = _EXACT
    allowed: Literal[True]
    certain: bool = Field(description="Whether all figures behind it are fresh.")
    reservation: str
    expires_at: str
    budgets: list[GuardBudget]
    not_matched: list[NotMatched] = []


class Refusal(BaseModel):
    """Why it may not."""

    model_config = _EXACT
    type: Literal["budget_exhausted"]
    code: Literal["422"]
    param: None = None
    message: str
    budget: str
    reason: Literal["exhausted", "would_exceed", "unknown", "unpriced"]
    limit_usd: str
    spent_usd: str | None
    reserved_usd: str
    resets_at: str | None
    certain: bool


class RefusedAnswer(BaseModel):
    """The call may not be made."""

    model_config = _EXACT
    error: Refusal


class BudgetItem(BaseModel):
    """How one budget, or one value of its `each`, stands."""

    model_config = _EXACT
    name: str
    id: str
    each: str | None
    value: str | None
    value_name: str | None
    where: str
    period: str
    time_zone: str
    mode: Literal["soft", "hard"]
    cost: Literal["total", "market"]
    limit_usd: str
    spent_usd: str | None
    left_usd: str | None
    used_percent: float | None
    unpriced_requests: int
    started_at: str
    resets_at: str | None
    forecast_usd: str | None
    used_up_at: str | None
    used_up_at_present_pace: str | None
    falls_out_usd: str | None = Field(description="Of a rolling one: what leaves its window next.")
    falls_out_by: str | None
    burning: str | None
    as_of: str
    error: str | None


class KeptItem(BaseModel):
    """A budget that the gateway keeps itself, as it counts it."""

    model_config = _EXACT
    name: str
    kept_by: Literal["gateway"]
    each: str
    value: str
    value_name: str | None
    within: str | None = Field(description="Of a member: the team.")
    within_name: str | None
    mode: Literal["hard", "soft"] = Field(
        description="Soft: the gateway tells of what is over it, and refuses nothing."
    )
    period: str | None
    limit_usd: str = Field(description="What holds now, `raised_usd` in it.")
    spent_usd: str | None
    left_usd: str | None
    used_percent: float | None
    resets_at: str | None
    raised_usd: str
    raised_until: str | None


class BudgetsAnswer(BaseModel):
    """The budgets of the config file, those for each value by value, dearest first; then those of the gateway."""

    model_config = _EXACT
    budgets: list[BudgetItem | KeptItem]
    notes: list[str] = Field(description="Why budgets that the gateway keeps could not be read, a line each.")
    guard_asked: bool = Field(description="Whether a gateway asked the guard since the start: else no call is refused.")


class IncidentsAnswer(BaseModel):
    """What is unusual, newest first."""

    model_config = _EXACT
    incidents: list[dict[str, Any]]


BODIES: tuple[type[BaseModel], ...] = (GuardBody,)
