"""Ids and digests as messages and files hold them: hexadecimal, in small letters."""

from typing import Annotated, TypeAlias

from pydantic import Field

SHORT_ID = "[0-9a-f]{16}"

ShortId: TypeAlias = Annotated[str, Field(pattern=f"^{SHORT_ID}$")]
"""The id of a federation, and the digest of a status."""

NodeId: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
FileDigest: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Session: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
SecretHex: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
