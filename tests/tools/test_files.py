"""The tools for files, with OpenCode's arguments."""

import asyncio
import dataclasses
import difflib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.tools.conftest import Run
from tools.edit import EDIT
from tools.errors import InvalidArguments, OutsideWorkspace, ToolError, ToolFailed
from tools.glob import GLOB
from tools.grep import GREP
from tools.list import LIST
from tools.read import READ
from tools.tool import CallContext
from tools.workspace import Workspace
from tools.write import WRITE


def make(root: Path, *paths: str, text: str = "") -> None:
    for number, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        os.utime(root / path, (number, number))


async def test_what_was_written_is_read_with_line_numbers(run: Run, workspace: Workspace) -> None:
    path = f"{workspace.root}/src/a.py"
    made = await run(WRITE, filePath=path, content="one\ntwo\n")
    assert made.metadata["existed"] is False
    read = await run(READ, filePath=path)
    assert "1: one\n2: two" in read.text
    assert "total 2 lines" in read.text


async def test_a_long_file_is_read_in_pages(run: Run, workspace: Workspace) -> None:
    make(workspace.root, "long.txt", text="\n".join(f"line {n}" for n in range(1, 101)))
    page = await run(READ, filePath="long.txt", offset=11, limit=5)
    assert (page.metadata["first"], page.metadata["last"]) == (11, 15)
    assert "11: line 11\n" in page.text
    assert "'offset' 16" in page.text
    with pytest.raises(ToolFailed, match="has 100 lines"):
        await run(READ, filePath="long.txt", offset=101)


async def test_a_page_is_bounded_in_characters_too(run: Run, workspace: Workspace) -> None:
    make(workspace.root, "wide.txt", text="\n".join(["x" * 5000] * 50))
    page = await run(READ, filePath="wide.txt")
    assert len(page.text) < 22_000
    assert page.metadata["last"] == 9


async def test_a_folder_is_read_as_its_names(run: Run, workspace: Workspace) -> None:
    make(workspace.root, "b.txt", "a/c.txt")
    read = await run(READ, filePath=str(workspace.root))
    assert "<entries>\na/\nb.txt\n" in read.text


async def test_a_binary_file_is_not_told(run: Run, workspace: Workspace) -> None:
    (workspace.root / "b").write_bytes(b"\0\1\2")
    with pytest.raises(ToolFailed, match="binary file, 3 bytes"):
        await run(READ, filePath="b")


async def test_an_empty_file_is_read(run: Run, workspace: Workspace) -> None:
    make(workspace.root, "empty")
    assert "total 0 lines" in (await run(READ, filePath="empty")).text


async def test_exact_words_are_replaced(run: Run, workspace: Workspace) -> None:
    make(workspace.root, "a.py", text="x = 1\ny = 1\n")
    edited = await run(EDIT, filePath="a.py", oldString="x = 1", newString="x = 2")
    assert (workspace.root / "a.py").read_text() == "x = 2\ny = 1\n"
    assert "-x = 1\n+x = 2\n" in edited.metadata["diff"]


async def test_words_that_stand_twice_need_a_decision(run: Run, workspace: Workspace) -> None:
    make(workspace.root, "a.py", text="= 1\n= 1\n")
    with pytest.raises(ToolFailed, match="stands 2 times"):
        await run(EDIT, filePath="a.py", oldString="= 1", newString="= 2")
    await run(EDIT, filePath="a.py", oldString="= 1", newString="= 2", replaceAll=True)
    assert (workspace.root / "a.py").read_text() == "= 2\n= 2\n"


async def test_an_edit_cannot_make_a_file_too_large(run: Run, workspace: Workspace) -> None:
    make(workspace.root, "a.txt", text="a" * 5000)
    with pytest.raises(ToolFailed, match="5000 times newString would make"):
        await run(EDIT, filePath="a.txt", oldString="a", newString="b" * 2000, replaceAll=True)
    assert (workspace.root / "a.txt").read_text() == "a" * 5000


async def test_words_that_do_not_stand_there_name_the_nearest(
    run: Run, workspace: Workspace
) -> None:
    make(workspace.root, "a.py", text="a\n    return value + 1\n")
    with pytest.raises(ToolFailed, match="line 2 is like its first line"):
        await run(EDIT, filePath="a.py", oldString="return valu + 1", newString="")


async def test_the_nearest_line_is_the_most_alike_and_none_that_is_long(
    run: Run, workspace: Workspace
) -> None:
    lines = ["x" * 5000, "return values", "return value", "return value", "retur"]
    make(workspace.root, "a.py", text="\n".join(lines))
    with pytest.raises(ToolFailed, match="line 3 is like its first line: 'return value'"):
        await run(EDIT, filePath="a.py", oldString="return value!", newString="")
    with pytest.raises(ToolFailed, match=r"stand in a.py$"):
        await run(EDIT, filePath="a.py", oldString="x" * 4999 + "y", newString="")


async def test_the_nearest_line_is_looked_for_only_so_long(run: Run, workspace: Workspace) -> None:
    make(workspace.root, "a.txt", text=("ab" * 100 + "\n") * 20_000 + "ab" * 40_000)
    for wanted in ("a" * 199 + "b" * 40, "b" + "ab" * 39_000 + "bb"):
        begun = time.monotonic()
        with pytest.raises(ToolFailed, match="does not stand"):
            await run(EDIT, filePath="a.txt", oldString=wanted, newString="")
        assert time.monotonic() - begun < 10


@pytest.mark.parametrize("count", [1, 2, 4, 9, 500])
@pytest.mark.parametrize("new", ["y", "y\nz", "", "old\ny"])
async def test_a_diff_is_that_of_the_whole_file(
    run: Run, workspace: Workspace, count: int, new: str
) -> None:
    around = [str(number % 250) for number in range(count)]
    before = "\n".join([*around, "old", *around[:2], "old", *around])
    make(workspace.root, "a", text=before)
    edited = await run(EDIT, filePath="a", oldString="old", newString=new, replaceAll=True)
    texts = (before, before.replace("old", new))
    whole = difflib.unified_diff(*(text.splitlines(keepends=True) for text in texts), "a", "a")
    marked = (line if line.endswith("\n") else f"{line}\n{NO_END}" for line in whole)
    assert edited.metadata["diff"] == "".join(marked)


NO_END = "\\ No newline at end of file\n"


@pytest.mark.parametrize(
    ("before", "old", "new", "told"),
    [
        ("a\nb", "b", "c", f" a\n-b\n{NO_END}+c\n{NO_END}"),
        ("a\nb", "b", "b\n", f" a\n-b\n{NO_END}+b\n"),
        ("a\nb\n", "b\n", "b", f" a\n-b\n+b\n{NO_END}"),
        ("a\nb", "a", "c", f"-a\n+c\n b\n{NO_END}"),
        ("a\x0cb\u2028c\r\n", "a", "d", "-a\x0cb\u2028c\r\n+d\x0cb\u2028c\r\n"),
    ],
)
async def test_a_diff_can_be_applied_where_a_line_has_no_usual_end(
    run: Run, workspace: Workspace, before: str, old: str, new: str, told: str
) -> None:
    (workspace.root / "a").write_bytes(before.encode())
    edited = await run(EDIT, filePath="a", oldString=old, newString=new)
    assert edited.metadata["diff"].partition("@@\n")[2] == told


async def test_a_diff_is_told_of_few_lines_of_a_long_file_and_not_of_many(
    run: Run, workspace: Workspace
) -> None:
    make(workspace.root, "a", text="x\n" * 15_000 + "one\n" + "x\n" * 15_000)
    edited = await run(EDIT, filePath="a", oldString="one", newString="two")
    assert "@@ -14998,7 +14998,7 @@\n x\n x\n x\n-one\n+two\n x\n" in edited.metadata["diff"]
    edited = await run(EDIT, filePath="a", oldString="x", newString="y", replaceAll=True)
    assert edited.metadata == {"replaced": 30_000, "diff": ""}


async def test_lines_of_windows_stay_lines_of_windows(run: Run, workspace: Workspace) -> None:
    (workspace.root / "a.txt").write_bytes(b"one\r\ntwo\r\nthree\r\n")
    await run(EDIT, filePath="a.txt", oldString="one\ntwo", newString="1\n2")
    assert (workspace.root / "a.txt").read_bytes() == b"1\r\n2\r\nthree\r\n"


@pytest.mark.parametrize(
    ("old", "new", "after"),
    [
        ("three\nfour", "3\n4", b"one\r\ntwo\r\n3\n4\nfive"),
        ("one\ntwo", "1\n2", b"1\r\n2\r\nthree\nfour\nfive"),
        ("two\nthree\nfour", "2\n3", b"one\r\n2\r\n3\nfive"),
        ("two", "2\n2.5", b"one\r\n2\r\n2.5\r\nthree\nfour\nfive"),
        ("three", "3\n3.5", b"one\r\ntwo\r\n3\n3.5\nfour\nfive"),
        ("five", "5\n6", b"one\r\ntwo\r\nthree\nfour\n5\n6"),
        ("two\r\nthree", "2\n3", b"one\r\n2\n3\nfour\nfive"),
    ],
)
async def test_each_line_keeps_its_end_where_both_ends_stand(
    run: Run, workspace: Workspace, old: str, new: str, after: bytes
) -> None:
    (workspace.root / "a.txt").write_bytes(b"one\r\ntwo\r\nthree\nfour\nfive")
    await run(EDIT, filePath="a.txt", oldString=old, newString=new)
    assert (workspace.root / "a.txt").read_bytes() == after


async def test_lines_that_differ_in_their_ends_alone_are_the_same_words(
    run: Run, workspace: Workspace
) -> None:
    (workspace.root / "a.txt").write_bytes(b"a\r\nb\r\na\nb\n")
    with pytest.raises(ToolFailed, match="stands 2 times"):
        await run(EDIT, filePath="a.txt", oldString="a\nb", newString="c\nd")
    await run(EDIT, filePath="a.txt", oldString="a\nb", newString="c\nd", replaceAll=True)
    assert (workspace.root / "a.txt").read_bytes() == b"c\r\nd\r\nc\nd\n"


@pytest.mark.parametrize(("old", "new", "said"), [("x", "x", "same"), ("", "x", "empty")])
async def test_an_edit_that_is_none_is_refused(run: Run, old: str, new: str, said: str) -> None:
    with pytest.raises(InvalidArguments, match=said):
        await run(EDIT, filePath="a", oldString=old, newString=new)


async def test_bytes_that_are_no_text_are_not_edited(run: Run, workspace: Workspace) -> None:
    (workspace.root / "b").write_bytes(b"\xff\xfe a")
    with pytest.raises(ToolFailed, match="UTF-8"):
        await run(EDIT, filePath="b", oldString="a", newString="b")


async def test_a_tree_leaves_out_what_git_ignores(run: Run, workspace: Workspace) -> None:
    make(workspace.root, "a/b.txt", "a/deep/c.txt", "d.txt", "out/e.o", ".git/config", "f.log")
    (workspace.root / ".gitignore").write_text("out/\n*.log\n")
    listed = await run(LIST, ignore=["d.*"])
    assert listed.text.splitlines() == [
        f"{workspace.root}/",
        "  .gitignore",
        "  a/",
        "    b.txt",
        "    deep/",
        "      c.txt",
    ]


@pytest.mark.parametrize(
    "ignore", [["out/**"], ["./out/*"], ["*.{o,p}"], ["{root}/sub/out"], ["/out"]]
)
async def test_what_a_tree_leaves_out_is_matched_as_other_patterns_are(
    run: Run, workspace: Workspace, ignore: list[str]
) -> None:
    make(workspace.root, "sub/a.txt", "sub/out/b.o", "sub/out/c.p", "sub/deep/d.txt")
    ignore = [each.replace("{root}", str(workspace.root)) for each in ignore]
    listed = await run(LIST, path="sub", ignore=ignore)
    assert listed.text.split() == [f"{workspace.root}/sub/", "a.txt", "deep/", "d.txt"]


async def test_a_long_tree_ends_at_a_hundred(run: Run, workspace: Workspace) -> None:
    make(workspace.root, *(f"f{number:03}" for number in range(101)))
    listed = await run(LIST)
    assert listed.text.endswith("f099\n(only the first 100 files)")


@pytest.mark.parametrize(
    ("pattern", "path", "names"),
    [
        ("*.py", None, ["src/x/c.py", "src/b.py", "a.py"]),
        ("**/*.py", None, ["src/x/c.py", "src/b.py", "a.py"]),
        ("src/*.py", None, ["src/b.py"]),
        ("src/**/*.{py,md}", None, ["src/d.md", "src/x/c.py", "src/b.py"]),
        ("*.py", "src", ["src/x/c.py", "src/b.py"]),
        ("x/*", "src", ["src/x/c.py"]),
        ("{root}/src/*.py", None, ["src/b.py"]),
        ("[ab].py", None, ["src/b.py", "a.py"]),
        ("*.rs", None, []),
    ],
)
async def test_a_pattern_finds_files_the_last_changed_first(
    run: Run, workspace: Workspace, pattern: str, path: str | None, names: list[str]
) -> None:
    make(workspace.root, "a.py", "src/b.py", "src/x/c.py", "src/d.md")
    found = await run(GLOB, pattern=pattern.replace("{root}", str(workspace.root)), path=path)
    wanted = [f"{workspace.root}/{name}" for name in names] or ["No files found"]
    assert found.text.splitlines() == wanted


@pytest.fixture
def named(tmp_path: Path, context: CallContext) -> Iterator[CallContext]:
    """The same workspace, opened by way of a link."""
    (tmp_path / "name").symlink_to(context.workspace.root)
    with Workspace(tmp_path / "name") as workspace:
        yield dataclasses.replace(context, workspace=workspace)


@pytest.mark.parametrize("path", ["src", "src/", "./src", "{root}/src", "{name}/src/", ".", None])
@pytest.mark.parametrize("pattern", ["{root}/src/**/*.py", "{name}/src/**/*.py"])
async def test_an_absolute_pattern_counts_from_the_root(
    named: CallContext, tmp_path: Path, pattern: str, path: str | None
) -> None:
    root = named.workspace.root
    make(root, "src/b.py", "src/x/c.py", "src/src/d.md", "a.py")
    names = {"root": root, "name": tmp_path / "name"}
    arguments = {"pattern": pattern.format_map(names), "path": path and path.format_map(names)}
    found = await GLOB.run(GLOB.arguments.model_validate(arguments), named)
    assert found.text.splitlines() == [f"{root}/src/x/c.py", f"{root}/src/b.py"]


@pytest.mark.parametrize("pattern", ["", "!x", "a\0", "{a,b}" * 9, "x" * 501])
async def test_a_pattern_that_is_none_is_refused(run: Run, pattern: str) -> None:
    with pytest.raises(InvalidArguments, match="pattern"):
        await run(GLOB, pattern=pattern)


async def test_rules_of_folders_below_hold_there(run: Run, workspace: Workspace) -> None:
    make(workspace.root, "a.log", "keep/a.log", "keep/b.tmp", "c.tmp")
    (workspace.root / ".gitignore").write_text("*.log\n")
    (workspace.root / "keep/.gitignore").write_text("!a.log\n*.tmp\n")
    found = (await run(GLOB, pattern="*.{log,tmp}")).text.splitlines()
    assert sorted(found) == [f"{workspace.root}/c.tmp", f"{workspace.root}/keep/a.log"]


async def test_rules_of_the_folders_above_hold_in_a_folder_below(
    run: Run, workspace: Workspace
) -> None:
    make(workspace.root, *(f"packages/web/{name}" for name in IN_A_PACKAGE), text="word\n")
    (workspace.root / ".gitignore").write_text("node_modules/\n/packages/web/out/\n")
    (workspace.root / "packages/.gitignore").write_text("*.log\n")
    (workspace.root / "link").symlink_to("packages/web")
    for path in PACKAGES:
        start = path.replace("{root}", str(workspace.root))
        found = (await run(GLOB, pattern="*", path=start)).text.splitlines()
        assert [Path(each).name for each in found] == ["b.py", "a.py"], path
        assert (await run(GREP, pattern="word", path=start)).metadata["matches"] == 2
        assert (await run(LIST, path=start)).metadata["files"] == 2


IN_A_PACKAGE = ("a.py", "src/b.py", "c.log", "out/d.py", "node_modules/react/e.py")
PACKAGES = (
    *("packages/web", "./packages/web/", "packages/./web", "packages/../packages/web"),
    *("{root}/packages/web", "link", "link/src/.."),
)


@pytest.mark.parametrize("path", ["node_modules/react", "node_modules"])
async def test_an_ignored_folder_that_is_named_is_searched(
    run: Run, workspace: Workspace, path: str
) -> None:
    make(workspace.root, "node_modules/react/a.js", "node_modules/react/lib/b.js", "n/c.js")
    make(workspace.root, "node_modules/react/d.tmp")
    (workspace.root / ".gitignore").write_text("node_modules/\n")
    (workspace.root / "node_modules/react/.gitignore").write_text("*.tmp\n")
    found = (await run(GLOB, pattern="*.{js,tmp}", path=path)).text.splitlines()
    assert [Path(each).name for each in found] == ["b.js", "a.js"]


async def test_a_folder_that_is_taken_in_again_is_searched(run: Run, workspace: Workspace) -> None:
    make(workspace.root, "all/kept/a.py", "all/kept/b.log", "all/lost/c.py")
    (workspace.root / ".gitignore").write_text("*.log\n/all/*\n!/all/kept/\n")
    found = (await run(GLOB, pattern="*", path="all/kept")).text
    assert found == f"{workspace.root}/all/kept/a.py"


async def test_a_search_names_files_and_lines(run: Run, workspace: Workspace) -> None:
    make(workspace.root, "a.py", text="import os\nx = os.sep\n")
    make(workspace.root, "b.md", text="os\n")
    found = await run(GREP, pattern=r"\bos\b", include="*.py")
    assert found.text.splitlines() == [
        "Found 2 matches",
        f"{workspace.root}/a.py:",
        "  Line 1: import os",
        "  Line 2: x = os.sep",
    ]
    one = await run(GREP, pattern="o.$", path="b.md")
    assert one.metadata["matches"] == 1
    assert (await run(GREP, pattern="nowhere")).text == "No matches found"


async def test_a_search_ends_at_a_hundred(run: Run, workspace: Workspace) -> None:
    make(workspace.root, "a.txt", "b.txt", text="x\n" * 80)
    found = await run(GREP, pattern="x")
    assert found.metadata == {"matches": 101, "cut": True}


async def test_an_expression_that_is_none_is_refused(run: Run) -> None:
    with pytest.raises(InvalidArguments, match="regular expression"):
        await run(GREP, pattern="(")
    with pytest.raises(InvalidArguments, match="at most"):
        await run(GREP, pattern="x" * 1001)
    with pytest.raises(InvalidArguments, match="more than 10000 parts"):
        await run(GREP, pattern="(?:(?:a{1000}){1000}){10}")


async def test_binary_files_are_not_searched(run: Run, workspace: Workspace) -> None:
    (workspace.root / "b").write_bytes(b"x\0x")
    assert (await run(GREP, pattern="x")).metadata["matches"] == 0


@pytest.mark.parametrize("tool", [READ, WRITE, EDIT, LIST, GLOB, GREP], ids=lambda tool: tool.name)
async def test_no_tool_for_files_leaves_the_workspace(
    tool: object, run: Run, workspace: Workspace, outside: Path
) -> None:
    (workspace.root / "way-out").symlink_to(outside)
    named = {"content": "x", "oldString": "secret", "newString": "x", "pattern": "."}
    for path in (str(outside), "../outside", "way-out"):
        file = f"{path}/secret.txt"
        with pytest.raises(ToolError):
            await run(tool, **named, path=path, filePath=file)
    with pytest.raises(OutsideWorkspace):
        await run(tool, **named, path=str(outside), filePath=str(outside))
    assert (outside / "secret.txt").read_text() == "the secret beside the workspace"


async def test_links_are_not_walked(run: Run, workspace: Workspace, outside: Path) -> None:
    (workspace.root / "way-out").symlink_to(outside)
    (workspace.root / "secret").symlink_to(outside / "secret.txt")
    assert (await run(GREP, pattern="secret")).metadata["matches"] == 0
    assert (await run(GLOB, pattern="*")).text == "No files found"


async def test_missing_arguments_are_named(run: Run) -> None:
    with pytest.raises(ValidationError, match="filePath"):
        await run(READ)


async def test_a_cut_text_names_the_file_with_all_of_it(run: Run, context: CallContext) -> None:
    text = "\n".join(f"line {number}" for number in range(1000))
    told = await asyncio.to_thread(context.kept.told, text, 3000)
    assert told.startswith("line 0\n")
    assert told.endswith("line 999")
    assert len(told) < 3300
    path = told.partition(" is in ")[2].partition(",")[0]
    assert await asyncio.to_thread(Path(path).read_text) == text
    assert "501: line 500" in (await run(READ, filePath=path, offset=500)).text
    assert (await run(GREP, pattern="line 77$", path=path)).metadata["matches"] == 1


async def test_a_kept_line_that_is_long_is_read_to_its_end(run: Run, context: CallContext) -> None:
    text = "first\n" + "".join(f"<{number:06}>" for number in range(5000)) + "\n\nlast"
    told = await asyncio.to_thread(context.kept.told, text, 3000)
    path = told.partition(" is in ")[2].partition(",")[0]
    parts: list[str] = []
    at: int | None = 1
    while at is not None:
        page = await run(READ, filePath=path, offset=at)
        shown = page.text.partition("<content>\n")[2].partition("\n\n(")[0]
        parts += [line.partition(": ")[2] for line in shown.splitlines()]
        at = page.metadata["last"] + 1 if page.metadata["last"] < page.metadata["lines"] else None
    assert "".join(parts) == text.replace("\n", "")
    (line,) = (await run(GREP, pattern="<003000>.*<003001>", path=path)).text.splitlines()[2:]
    number, shown = line.removeprefix("  Line ").split(": ")
    assert "<003000>" in shown
    assert "<003000>" in (await run(READ, filePath=path, offset=int(number), limit=1)).text
    assert "Line 23: last" in (await run(GREP, pattern="last", path=path)).text


@pytest.mark.parametrize("before", [0, 400, 494, 499, 600, 5000])
@pytest.mark.parametrize("behind", [0, 5, 5000])
async def test_a_search_shows_what_stands_around_a_match(
    run: Run, workspace: Workspace, before: int, behind: int
) -> None:
    make(workspace.root, "a.min.js", text="x" * before + "needle" + "y" * behind)
    (_, _, line) = (await run(GREP, pattern="needle")).text.splitlines()
    assert "needle" in line
    assert len(line) <= 520


def test_kept_outputs_are_few_and_go_at_the_end(context: CallContext) -> None:
    for _ in range(70):
        context.kept.told("x" * 10, 5)
    assert len(context.kept.folder.entries(".")) == 64


@pytest.mark.parametrize("path", ["x" * 300, "folder/" + "x" * 300])
async def test_a_name_that_is_too_long_is_refused(run: Run, path: str) -> None:
    with pytest.raises(ToolFailed, match="File name too long"):
        await run(WRITE, filePath=path, content="a")


async def test_lines_are_counted_as_editors_count_them(run: Run, workspace: Workspace) -> None:
    (workspace.root / "a.c").write_bytes(b"one\x0cpage\r\ntwo\xe2\x80\xa8\nthree\n")
    read = await run(READ, filePath="a.c")
    assert "1: one\x0cpage\n2: two\u2028\n3: three\n" in read.text
    assert "Line 3: three" in (await run(GREP, pattern="three")).text


async def test_line_ends_of_windows_are_not_doubled(run: Run, workspace: Workspace) -> None:
    (workspace.root / "a.txt").write_bytes(b"one\r\ntwo\r\n")
    await run(EDIT, filePath="a.txt", oldString="one", newString="1\r\n1.5\n1.7")
    assert (workspace.root / "a.txt").read_bytes() == b"1\r\n1.5\r\n1.7\r\ntwo\r\n"


async def test_a_pattern_full_of_stars_ends_all_the_same(run: Run, workspace: Workspace) -> None:
    make(workspace.root, "a" * 100 + "bc")
    found = await run(GLOB, pattern="*a" * 20 + "*b")
    assert found.text == "No files found"


async def test_a_pattern_that_takes_too_long_is_given_up(run: Run, workspace: Workspace) -> None:
    make(workspace.root, "a" * 250 + "bc")
    slow = "*a" * 240 + "*b"
    with pytest.raises(ToolFailed, match="takes too long"):
        await run(GLOB, pattern=slow)
    (workspace.root / ".gitignore").write_text(slow)
    with pytest.raises(ToolFailed, match="takes too long"):
        await run(LIST)


@pytest.mark.parametrize("pattern", ["!", "[z-a]"])
async def test_what_is_no_pattern_is_said_to_be_none(
    run: Run, workspace: Workspace, pattern: str
) -> None:
    make(workspace.root, "a.txt")
    with pytest.raises(InvalidArguments, match="no glob pattern"):
        await run(GLOB, pattern=pattern)
    with pytest.raises(InvalidArguments, match="no glob pattern"):
        await run(LIST, ignore=[pattern])


async def test_a_byte_order_mark_hides_no_rule(run: Run, workspace: Workspace) -> None:
    make(workspace.root, "a.txt", "b.log")
    (workspace.root / ".gitignore").write_text("\ufeff*.log\n")
    assert (await run(GLOB, pattern="*.{txt,log}")).metadata["count"] == 1


async def test_a_line_of_gitignore_that_is_no_pattern_is_passed_over(
    run: Run, workspace: Workspace
) -> None:
    make(workspace.root, "a.txt", "b.log")
    (workspace.root / ".gitignore").write_text("!\n[z-a]\n*.log\n")
    assert (await run(GLOB, pattern="*")).metadata["count"] == 2
