"""How options are declared: with a variable of the environment, and a section in --help."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from covet.cli import uvicorn

Function = TypeVar("Function", bound=Callable[..., Any])

if TYPE_CHECKING:
    TextType = click.ParamType[str]
else:
    TextType = click.ParamType  # not generic before click 8.4

APP_VARIABLES = ("COVET_APP", "UVICORN_APP")


class Option(click.Option):
    """An option that is also read from COVET_<OPTION>, else from uvicorn's variable if uvicorn has it too.

    Args:
        names: its names on the command line, and in Python if that differs.
        section: under which heading --help shows it.
        attributes: those of click.Option.
    """

    def __init__(self, names: Sequence[str], section: str = "", **attributes: Any) -> None:
        self.section = section
        flag = next(name for name in names if name.startswith("--"))
        variable = flag.partition("/")[0].removeprefix("--").replace("-", "_").upper()
        attributes = {"show_envvar": True, "envvar": f"COVET_{variable}", **attributes}
        super().__init__(names, **attributes)
        self.uvicorn_variable = uvicorn.variable_of(self.name)

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """The text of the variable that counts."""
        value = super().resolve_envvar_value(ctx)
        return uvicorn.value_of(self.uvicorn_variable) if value is None else value

    def value_from_envvar(self, ctx: click.Context) -> Any:
        """The value of the variable that counts; uvicorn's are split as uvicorn does."""
        value = super().value_from_envvar(ctx)
        if self.multiple and super().resolve_envvar_value(ctx) is None:
            text = uvicorn.value_of(self.uvicorn_variable)
            return uvicorn.texts_of(str(self.name), text) if text else None
        return value

    def is_uvicorns(self, ctx: click.Context) -> bool:
        """Whether the value is that of uvicorn's variable."""
        from_variable = ctx.get_parameter_source(str(self.name)) is ParameterSource.ENVIRONMENT
        return from_variable and super().resolve_envvar_value(ctx) is None

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """What an error message calls the option and its variable."""
        hint = super().get_error_hint(ctx)
        if ctx is not None and self.is_uvicorns(ctx):
            return hint.replace(f"'{self.envvar}'", f"'{self.uvicorn_variable}'")
        return hint


class Command(click.Command):
    """A command whose --help has its options in sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options, section by section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        others: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                section = getattr(parameter, "section", "")
                (sections.setdefault(section, []) if section else others).append(record)
        for title, records in [*sections.items(), ("Other options", others)]:
            with formatter.section(title):
                formatter.write_dl(records)


class Texts(TextType):
    """A text; several of them are one after the other in the environment.

    Args:
        metavar: what --help calls it.
        separator: what stands between them in the environment; None is white space.
    """

    name = "text"

    def __init__(self, metavar: str, separator: str | None = None) -> None:
        self._metavar = metavar
        self._separator = separator

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """What --help calls it."""
        return self._metavar

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """The texts of a variable."""
        return [text.strip() for text in rv.split(self._separator) if text.strip()]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The text as it is."""
        return str(value)


def add(options: Sequence[Mapping[str, Any]]) -> Callable[[Function], Function]:
    """Gives a command several options; each is the arguments of Option, its names under "names"."""

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            attributes = dict(option)
            function = click.option(*attributes.pop("names"), cls=Option, **attributes)(function)
        return function

    return decorate


def given(context: click.Context, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that were given on the command line or in the environment."""
    defaults = (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)
    found = {name: value for name, value in values.items() if context.get_parameter_source(name) not in defaults}
    options = [option for option in context.command.params if isinstance(option, Option) and option.name in found]
    foreign = {str(option.name) for option in options if option.is_uvicorns(context)}
    dropped = uvicorn.overruled(found.keys() - foreign, foreign)
    return {name: value for name, value in found.items() if name not in dropped}
