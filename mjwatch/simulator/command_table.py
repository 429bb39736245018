"""Every command that the two bots have registered: ids, versions and options as data.

Ids and versions were recorded 2022-07 to 2026-07, but for some versions that are filled in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mjwatch.simulator.identity import BOT_ID, NIJI_ID

if TYPE_CHECKING:
    from mjwatch.simulator.identity import Json

SUB_COMMAND, GROUP, STRING, ATTACHMENT = 1, 2, 3, 11
SLASH, MESSAGE = 1, 3


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a command; sub-commands and groups of them have options of their own."""

    name: str
    type: int = STRING
    required: bool = True
    options: tuple[Option, ...] = ()
    choices: tuple[str, ...] = ()

    def body(self) -> Json:
        """The option as the index shows it."""
        shown: Json = {"type": self.type, "name": self.name, "description": f"The {self.name}"}
        if self.type in (SUB_COMMAND, GROUP):
            return {**shown, "options": [option.body() for option in self.options]}
        if self.choices:
            shown["choices"] = [{"name": choice, "value": choice} for choice in self.choices]
        return {**shown, "required": self.required}


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its id never changes."""

    name: str
    id: str
    version: str
    options: tuple[Option, ...] = ()
    type: int = SLASH
    application_id: str = BOT_ID


_PROMPT = (Option("prompt"),)
_JOB = (Option("job_id"),)
_NEW_OPTION = (Option("option"), Option("value", required=False))
_PREFER = (
    Option("remix", SUB_COMMAND),
    Option("suffix", SUB_COMMAND, options=(Option("new_value", required=False),)),
    Option("variability", SUB_COMMAND),
    Option("auto_dm", SUB_COMMAND),
    Option(
        "option",
        GROUP,
        options=(Option("set", SUB_COMMAND, options=_NEW_OPTION), Option("list", SUB_COMMAND)),
    ),
)
_IMAGES = tuple(Option(f"image{number}", ATTACHMENT, required=number <= 2) for number in range(1, 6))
_BLEND = (*_IMAGES, Option("dimensions", required=False, choices=("--ar 2:3", "--ar 1:1", "--ar 3:2")))
_DESCRIBE = (Option("image", ATTACHMENT, required=False), Option("link", required=False))
_QUESTION = (Option("question"),)

_MIDJOURNEY = (
    Command("imagine", "938956540159881230", "1237876415471554623", _PROMPT),
    Command("blend", "1062880104792997970", "1237876415471554624", _BLEND),
    Command("describe", "1092492867185950852", "1493662068505706617", _DESCRIBE),
    Command("shorten", "1121575372539039774", "1247736572414001223", _PROMPT),
    Command("show", "1169435442328911902", "1247736572414001224", _JOB),
    Command("info", "972289487818334209", "1237876415735660565"),
    Command("settings", "1000850743479255081", "1493662068581077053"),
    Command("fast", "972289487818334212", "1237876415735660572"),
    Command("relax", "972289487818334213", "1237876415735660573"),
    Command("turbo", "1124132684143271996", "1237876415735660574"),
    Command("public", "972289487818334211", "1237876415735660571"),
    Command("private", "972289487818334210", "1237876415735660570"),
    Command("stealth", "1065569343456419860", "1259937291770658936"),
    Command("prefer", "984273800587776053", "1237876415790055476", _PREFER),
    Command("subscribe", "987795925764280351", "1237876415790055477"),
    Command("help", "941673664900898876", "1237876415790055478"),
    Command("ask", "994261739745050684", "1237876415790055479", _QUESTION),
    Command("invite", "986816068012081172", "1237876415790055480"),
    Command("userid", "1136041075614683196", "1237876415790055481"),
    Command("tune", "1169440360339091476", "1237876415790055482", _PROMPT),
    Command("list_tuners", "1181338718158721086", "1237876415790055483"),
    Command("feedback", "1199869998538162256", "1237876415790055484"),
    Command("list_personalize_codes", "1267632559278526577", "1267632559278526578"),
    Command("Cancel Job", "987795925764280352", "1237876415790055485", type=MESSAGE),
    Command("DM Results", "987795925764280353", "1237876415790055486", type=MESSAGE),
)
_NIJI = (
    Command("imagine", "1023054140580057099", "1248805223892254774", _PROMPT),
    Command("blend", "1061216934374424697", "1248805223892254775", _BLEND),
    Command("describe", "1092683500743831652", "1248805223892254776", _DESCRIBE),
    Command("shorten", "1121575453916942376", "1248805223892254777", _PROMPT),
    Command("show", "1023054140580057101", "1248805223892254778", _JOB),
    Command("info", "1023054140580057102", "1248805223892254779"),
    Command("fast", "1023054140580057107", "1248805223892254780"),
    Command("relax", "1023054140634579024", "1248805223892254781"),
    Command("settings", "1023054140634579025", "1248805223892254782"),
)

COMMANDS: dict[str, Command] = {command.name: command for command in _MIDJOURNEY}
"""Midjourney's own, by name."""
NIJI_COMMANDS: dict[str, Command] = {
    command.name: replace(command, application_id=NIJI_ID) for command in _NIJI
}
"""Those of niji・journey, by name."""
