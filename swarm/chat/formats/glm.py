"""A name, then `<arg_key>` and `<arg_value>` for each argument: GLM 4.5 and later."""

import re

from swarm.chat.formats.format import Format
from swarm.chat.formats.tagged import Marks, TaggedParser, holds, spelling

_MARKS = Marks(
    call="<tool_call>",
    name="{}\n",
    key="<arg_key>{}</arg_key>\n<arg_value>",
    value_end="</arg_value>\n",
    close="</tool_call>",
    name_read=re.compile(r"\s*([^\s<]+)\s*(?=<arg_key>|</tool_call>)"),
    key_read=re.compile(
        r"\s*<arg_key>\s*((?:[^<]|<(?!/?arg_|/?tool_call))*?)\s*</arg_key>\s*<arg_value>"
    ),
    close_read=re.compile(r"\s*</tool_call>"),
    value_close="</arg_value>",
)

GLM = Format(
    "glm",
    lambda tools: TaggedParser(_MARKS, tools),
    lambda tools, one_call: spelling(_MARKS, tools, one_call),
    ("<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"),
    holds,
)
