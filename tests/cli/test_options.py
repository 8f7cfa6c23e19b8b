"""`register`: option groups become options, whatever the parameter that takes a group is called."""

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from convneur_cli.options.common import CommonOptions, Group, option_group, register


@option_group
@dataclass(frozen=True)
class Colours:
    model: Annotated[str, typer.Option()] = "m1"
    fold: Annotated[int, typer.Option()] = 1


@option_group
@dataclass(frozen=True)
class Others:
    others: Annotated[int, typer.Option()] = 2


def test_a_group_may_bear_the_name_of_an_option() -> None:
    app, seen = typer.Typer(cls=Group), []

    def body(model: Others, others: Colours, common: CommonOptions) -> int | None:
        seen.append((model, others))
        return None

    register(app, "body", body)
    done = CliRunner().invoke(app, ["--model", "m4", "--fold", "5", "--others", "7"])
    assert done.exit_code == 0, done.output
    assert seen == [(Others(7), Colours("m4", 5))]


def test_two_options_of_one_name_are_refused_at_registration() -> None:
    def body(colours: Colours, fold: Annotated[int, typer.Option()], common: CommonOptions) -> Any: ...

    with pytest.raises(ValueError, match="duplicate parameter name: 'fold'"):
        register(typer.Typer(), "body", body)
