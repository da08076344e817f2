"""Where a preset file says that a figure comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from cost_top.gateways.preset import DATABASES, SECRET_RULES, Expression
from cost_top.model.declared import SETTINGS, Name, Rule, Wrong, not_blank, one_of


def some(value: Any) -> Any:
    """Refuse what is empty."""
    if not value:
        raise Wrong("is empty; leave the key out where the column does not exist")
    return value


def _not_blank_each(value: str | Mapping[str, str]) -> str | Mapping[str, str]:
    for database, sql in {"": value}.items() if isinstance(value, str) else some(value).items():
        if database and database not in DATABASES:
            raise Wrong(f"sql must be a text, or a text for each of {', '.join(DATABASES)}")
        not_blank(sql)
    return value


Sql = Annotated[str | Mapping[str, str], Rule("a text, or a text for each database", _not_blank_each)]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a figure comes from, where more is to be said than the name of a column."""

    __pydantic_config__ = SETTINGS
    column: Name | None = None
    json: Name | None = None  # a column that holds JSON, read at `path`
    path: tuple[str, ...] = ()
    sql: Sql | None = None
    value: Name | None = None
    needs: tuple[str, ...] = ()
    costly: bool | None = None
    typed: bool = False
    secret: Annotated[str, one_of(SECRET_RULES)] | None = None
    public: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.column, self.json, self.sql, self.value)) != 1:
            raise Wrong("must have exactly one of column, json, sql, value")
        if bool(self.path) != (self.json is not None):
            raise Wrong('needs both json="column" and path=["key", …]')
        if self.public and self.secret is None:
            raise Wrong('public = […] names markers that are no keys; it needs secret = "unless sha256"')

    def expression(self) -> Expression:
        """The same as a value."""
        if self.value is not None:
            return Expression(value=self.value)
        sql = dict.fromkeys(DATABASES, self.sql) if isinstance(self.sql, str) else dict(self.sql or {})
        costly = self.json is not None if self.costly is None else self.costly
        return Expression(
            self.column or self.json, self.path, sql, None, self.needs, costly, self.typed, self.secret, self.public
        )


WANTED = "a column name or one of {json=…, path=[…]}, {sql=…}, {value=…}"
Figure = Annotated[str | Source, Rule(WANTED, some)]
Alternatives = Annotated[str | Source | tuple[Figure, ...], Rule(f"{WANTED}, or a list of them", some)]


def expression_of(given: str | Source) -> Expression:
    """As a value; a text is the name of a column."""
    return Expression(column=given) if isinstance(given, str) else given.expression()


def alternatives_of(given: str | Source | tuple[str | Source, ...]) -> tuple[Expression, ...]:
    """As values, the first that is known first."""
    return tuple(expression_of(each) for each in (given if isinstance(given, tuple) else (given,)))
