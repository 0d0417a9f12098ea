"""`<function=name>` with a `<parameter=key>` for each argument: Qwen3-Coder and its kin."""

import re

from swarm.chat.formats.format import Format
from swarm.chat.formats.tagged import Marks, TaggedParser, holds, spelling

_MARKS = Marks(
    call="<tool_call>",
    name="<function={}>\n",
    key="<parameter={}>\n",
    value_end="\n</parameter>\n",
    close="</function>\n</tool_call>",
    name_read=re.compile(r"\s*<function=([^>\n]+)>"),
    key_read=re.compile(r"\s*<parameter=([^>\n]+)>(?:\n|(?=[^\n]))"),
    close_read=re.compile(r"\s*(?:</function>\s*)?</tool_call>"),
    value_close="</parameter>",
    trim="\n",
    never=("<function=",),
)

QWEN3_CODER = Format(
    "qwen3-coder",
    lambda tools: TaggedParser(_MARKS, tools),
    lambda tools, one_call: spelling(_MARKS, tools, one_call),
    ("<tool_call>", "</tool_call>"),
    holds,
)
