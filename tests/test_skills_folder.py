"""Skills as folders and archives: read liberally, kept exactly, written strictly, and never outside their place."""

import fcntl
import io
import re
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from dure.apps.knowledge.skills import archive, front, shelf
from dure.apps.knowledge.skills.archive import pack, unpack
from dure.apps.knowledge.skills.compare import mentions, same_files, text_of
from dure.apps.knowledge.skills.disk import read_folder
from dure.apps.knowledge.skills.errors import (
    SkillConflict,
    SkillInvalid,
    SkillMissing,
    SkillsDown,
    SkillsRefused,
    SkillTooLarge,
)
from dure.apps.knowledge.skills.folder import (
    FILE_BYTES_MAX,
    FILES_MAX,
    SKILL_BYTES_MAX,
    File,
    Skill,
    check_path,
    document,
    files_text,
    read_files,
)
from dure.apps.knowledge.skills.shelf import Shelf
from dure.lang import catalogue

pytestmark = pytest.mark.own_server

BAD_PATHS = [
    "", "/etc/passwd", "../x", "a/../../x", "a/..", ".", "./a", "a//b", "a/", "a\\b", "..\\x", "C:/x", "a:stream",
    "a\x00b", "a\nb", "．．/x", "a／b", "a/‥", "‥/x", "a/. ./x", "a/b.", "a/b ", " /x", "a\u202eb", "\ud800",
    "/".join("abcdefghi"), "x" * 300,
]  # fmt: skip


def skill(name="tidy-up", steps="1. Look.\n2. Sort.", agent_id=None, **files):
    content = {"SKILL.md": File(document(name, f"About {name}.", steps, agent_id=agent_id))}
    return Skill.of({**content, **{path: File(data) for path, data in files.items()}})


@pytest.mark.parametrize(
    ("text", "said", "body"),
    [
        ("---\nname: tidy-up\ndescription: Tidies.\n---\n\n1. Look.\n", ("tidy-up", "Tidies."), "1. Look."),
        ("\ufeff---\r\nname: 'It''s'\r\ndescription: \"a\\nb # c\"\r\n---\r\nx", ("It's", "a\nb # c"), "x"),
        ("---\nname: a # note\ndescription: >-\n  one\n  two\n\n  three\n---\n", ("a", "one two\nthree"), ""),
        ("---\nname: a\ndescription: |\n  - one\n    two\n...\nx", ("a", "- one\n  two"), "x"),
        (
            "---\nname: a\ndescription: goes on\n  over two lines: yes\n---\nx",
            ("a", "goes on over two lines: yes"),
            "x",
        ),
        ("---\nname: 배송 안내\ndescription: 배송을: 안내\n---\nx", ("배송 안내", "배송을: 안내"), "x"),
        ("---\nname: a\nname: b\ntools: [x, y]\n- odd\n---\nx", ("a", ""), "x"),
        ("no front matter", ("", ""), "no front matter"),
        ("---\nname: never closed\n", ("", ""), "---\nname: never closed\n"),
        ("", ("", ""), ""),
    ],
)
def test_front_matter_is_read_as_people_write_it(text, said, body):
    found, rest = front.split(text)
    assert (found.get("name", ""), found.get("description", "")) == said
    assert rest == body


def test_the_owner_is_read_from_the_metadata_and_only_from_there():
    found = front.read(["metadata:", "  agent_id: agent-1", "  other:", "    deep: x", "name: a"])
    assert found == {"metadata.agent_id": "agent-1", "metadata.other.deep": "x", "name": "a"}
    assert skill(agent_id="agent-1").agent_id == "agent-1"
    assert skill().agent_id is None


@pytest.mark.parametrize("value", ["plain", "a: b", "#x", "'", '"\\', "yes", "007", "- x", "배송", "a\nb", "{x}", "x "])
def test_what_is_written_is_read_back(value):
    assert front.read([f"key: {front.quote(value)}"]) == {"key": value}


def test_a_new_skill_keeps_the_rules_and_a_real_one_need_not():
    for name in ("", "Tidy", "tidy--up", "-tidy", "tidy up", "x" * 65, "ﬁle", "a/b"):
        with pytest.raises(SkillInvalid, match="lower-case"):
            document(name, "Tidies.", "1. Look.")
    with pytest.raises(SkillInvalid, match="description"):
        document("tidy-up", " ", "1. Look.")
    assert Skill.of({"SKILL.md": File(document("배송-안내", "안내한다.", "1. 본다."))}).name == "배송-안내"
    odd = Skill.of({"SKILL.md": File(b"---\nname: My Skill (Beta)!\n---\nDo it.\xff")})
    assert (odd.name, odd.description, odd.body) == ("My Skill (Beta)!", "", "Do it.\ufffd")
    assert Skill.of({"SKILL.md": File(b"Do it.")}, fallback_name="folder").name == "folder"
    nul = Skill.of({"SKILL.md": File(b"---\nname: a\ndescription: x\0y\n---\n")})
    assert nul.description == "x\ufffdy"
    assert b"\0" in nul.files["SKILL.md"].content


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_path_that_leaves_the_folder_or_looks_otherwise_is_refused(path):
    with pytest.raises(SkillInvalid):
        check_path(path)
    with pytest.raises(SkillInvalid):
        Skill.of({"SKILL.md": File(b"x"), path: File(b"x")}, fallback_name="x")


@pytest.mark.parametrize(
    "path", ["a", ".hidden", "scripts/run.sh", "참고/문서.md", "cafe\u0301.txt", "a b/c-d_(1).x", "..x"]
)
def test_ordinary_paths_are_kept_as_they_are_spelled(path):
    assert check_path(path) == path


@pytest.mark.parametrize(
    ("one", "other"), [("A.md", "a.md"), ("é", "e\u0301"), ("ﬁ", "fi"), ("x", "x/y"), ("X", "x/y"), ("skill.md/x", "y")]
)
def test_two_paths_that_some_system_confuses_are_refused(one, other):
    with pytest.raises(SkillInvalid):
        Skill.of({"SKILL.md": File(b"x"), one: File(b"1"), other: File(b"2")}, fallback_name="x")


def test_limits():
    base = {"SKILL.md": File(b"x")}
    for files in (
        {f"f{n}": File(b"") for n in range(FILES_MAX)},
        {"a": File(b"x" * (FILE_BYTES_MAX + 1))},
        {str(n): File(b"x" * FILE_BYTES_MAX) for n in range(SKILL_BYTES_MAX // FILE_BYTES_MAX)},
    ):
        with pytest.raises(SkillTooLarge):
            Skill.of({**base, **files}, fallback_name="x")
    with pytest.raises(SkillInvalid, match=r"SKILL\.md"):
        Skill.of({"a": File(b"x")}, fallback_name="x")


def test_the_revision_changes_with_every_path_byte_and_mode():
    base = {"SKILL.md": File(document("a", "b", "c")), "x": File(b"1")}
    others = [
        {**base, "x": File(b"2")},
        {**base, "x": File(b"1", "755")},
        {"SKILL.md": base["SKILL.md"], "y": File(b"1")},
        {**base, "y": File(b"")},
    ]
    revisions = {Skill.of(files).revision for files in (base, *others)}
    assert len(revisions) == 5
    assert Skill.of(dict(reversed(base.items()))).revision == Skill.of(base).revision


def test_files_as_text_and_as_an_archive_are_exact():
    files = {
        "SKILL.md": File(document("a", "b", "c").replace(b"\n", b"\r\n")),
        "bin/all": File(bytes(range(256)) * 100, "755"),
        "참고/빈 파일": File(b""),
        "cafe\u0301": File(b"\xff\xfe"),
    }
    assert read_files(files_text(files)) == files
    assert files_text(files) == files_text(dict(reversed(files.items())))
    assert unpack(pack(files)) == files
    assert pack(files) == pack(dict(reversed(files.items())))
    for text in ("", "[]", '{"a": 1}', '{"a": {"mode": "644", "base64": "!"}}'):
        with pytest.raises(SkillInvalid):
            read_files(text)


def zipped(entries, method=zipfile.ZIP_DEFLATED):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as made:
        for name, content, *mode in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            info.external_attr = (mode[0] if mode else stat.S_IFREG | 0o644) << 16
            info.create_system = 3
            made.writestr(info, content)
    return target.getvalue()


DOCUMENT = ("SKILL.md", document("a", "b", "c"))


@pytest.mark.parametrize("path", [path for path in BAD_PATHS if path and "\ud800" not in path and path != "a/"])
def test_an_archive_cannot_reach_outside(path):
    data = zipped([DOCUMENT, (path.replace("\x00", "@"), b"x")])
    with pytest.raises(SkillInvalid):
        # The library that writes an archive cuts a name at a NUL; others do not.
        unpack(data.replace(b"a@b", b"a\x00b"))


@pytest.mark.parametrize(
    "entries",
    [
        [("link", b"/etc/passwd", stat.S_IFLNK | 0o777)],
        [("pipe", b"", stat.S_IFIFO | 0o644)],
        [("../", b"", stat.S_IFDIR | 0o755)],
        [("odd", b"x", stat.S_IFDIR | 0o755)],
    ],
)
def test_an_archive_holds_plain_files_alone(entries):
    with pytest.raises(SkillInvalid):
        unpack(zipped([DOCUMENT, *entries]))


def test_an_archive_is_not_believed():
    good = zipped([DOCUMENT, ("x", b"12345")], zipfile.ZIP_STORED)
    assert unpack(good)["x"] == File(b"12345")
    with pytest.raises(SkillInvalid):
        unpack(good.replace(b"12345", b"12346"))
    for data in (b"", b"PK", b"x" * 100, good[:-5], good[: len(good) // 2]):
        with pytest.raises(SkillInvalid):
            unpack(data)
    with pytest.raises(SkillInvalid):
        unpack(zipped([DOCUMENT], zipfile.ZIP_LZMA))
    with pytest.raises(SkillInvalid):
        unpack(zipped([("other.md", b"x")]))
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = zipped([DOCUMENT, ("x", b"1"), ("x", b"2")])
    with pytest.raises(SkillInvalid):
        unpack(twice)


def test_bombs_are_refused_by_what_comes_out_of_them():
    bomb = zipped([DOCUMENT, ("x", b"\0" * (FILE_BYTES_MAX + 1))])
    assert len(bomb) < 20_000
    with pytest.raises(SkillTooLarge):
        unpack(bomb)
    # One that states a small size: what comes out is counted all the same.
    lie = bomb.replace(struct.pack("<L", FILE_BYTES_MAX + 1), struct.pack("<L", 10))
    assert lie != bomb
    with pytest.raises(SkillInvalid):
        unpack(lie)
    many = zipped([DOCUMENT, *((f"f{n}", b"\0" * FILE_BYTES_MAX) for n in range(3))])
    with pytest.raises(SkillTooLarge):
        unpack(many)
    with pytest.raises(SkillTooLarge):
        unpack(zipped([DOCUMENT, *((f"f{n}", b"") for n in range(archive.ENTRIES_MAX))]))
    with pytest.raises(SkillTooLarge):
        unpack(b"\0" * (archive.ARCHIVE_BYTES_MAX + 1))
    with pytest.raises(SkillTooLarge):
        unpack(archive.CENTRAL_HEADER * (archive.HEADERS_MAX + 1))


def test_an_archive_may_have_one_folder_around_everything():
    inside = [
        ("mine/", b"", stat.S_IFDIR | 0o755),
        ("mine/SKILL.md", DOCUMENT[1]),
        ("mine/x", b"1", stat.S_IFREG | 0o755),
    ]
    assert unpack(zipped([*inside, ("__MACOSX/mine/._x", b"")])) == {
        "SKILL.md": File(DOCUMENT[1]),
        "x": File(b"1", "755"),
    }
    with pytest.raises(SkillInvalid):
        unpack(zipped([*inside, ("theirs/SKILL.md", DOCUMENT[1])]))


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("report-writer", "보고서는 report-writer로 쓴다", True),
        ("report-writer", "Use the Report Writer.", True),
        ("report-writer", "report_writer", True),
        ("report-writer", "report-writers", False),
        ("report-writer", "my-report-writer", False),
        ("report-writer", "report-writer-2", False),
        ("report-writer", "report-writer2", False),
        ("배송-안내", "배송 안내에서 처리한다", True),
        ("배송-안내", "배송-안내를 쓴다", True),
        ("배송-안내", "배송 안내문을 쓴다", False),
        ("배송-안내", "빠른배송 안내", False),
        ("배송-안내", "먼저 배송 안내.", True),
        ("pdf", "pdf", True),
        ("pdf", "(PDF)", True),
        ("pdf", "ＰＤＦ를 만든다", True),
        ("pdf", "pdfs", False),
        ("x", "x", False),
        ("c++ (beta)", "use c++ (beta) here", True),
        ("a.b", "axb", False),
    ],
)
def test_a_skill_named_in_a_text_is_noticed(name, text, found):
    assert mentions(name, text) is found


def test_comparing():
    one = skill(x=b"1")
    assert same_files(one, skill(x=b"1"))
    assert not same_files(one, skill(x=b"2"))
    assert text_of(one) == "tidy-up\nAbout tidy-up.\n1. Look.\n2. Sort."


def test_the_shelf_puts_folders_where_names_cannot_meet(tmp_path):
    kept = Shelf(tmp_path)
    names = ["tidy", "Tidy", "티디", "tidy up", "tidy~up", "..x", "x" * 190]
    for name in names:
        kept.put("acme", Skill.of({"SKILL.md": File(f'---\nname: "{name}"\n---\n'.encode())}), expected=None)
    assert [entry.name for entry in kept.skills("acme")] == sorted(names)
    assert all(folder.parent == tmp_path / "acme" for folder in tmp_path.glob("*/*"))
    assert all(kept.get("acme", name).name == name for name in names)
    for tenant in ("", "..", "a/b", "a\x00", "/"):
        with pytest.raises(SkillInvalid):
            kept.skills(tenant)


def test_a_change_is_made_whole_or_not_at_all(tmp_path, monkeypatch):
    kept = Shelf(tmp_path)
    first, second = skill(x=b"1"), skill(x=b"2")
    kept.put("acme", first, expected=None)
    renames = []
    real = Path.rename

    def dies(self, target):
        renames.append(self)
        if len(renames) >= 2:
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "rename", dies)
    with pytest.raises(KeyboardInterrupt):
        kept.put("acme", second, expected=first.revision)
    monkeypatch.undo()
    assert same_files(Shelf(tmp_path).get("acme", "tidy-up"), first)
    assert [path.name for path in (tmp_path / "acme").iterdir() if path.name != ".lock"] == ["tidy-up"]


def test_conflicts_and_repeated_calls(tmp_path):
    kept = Shelf(tmp_path)
    first, second, third = skill(x=b"1"), skill(x=b"2"), skill(x=b"3")
    assert kept.put("acme", first, expected=None) is True
    assert kept.put("acme", first, expected=None) is False
    with pytest.raises(SkillConflict, match="there already"):
        kept.put("acme", second, expected=None)
    assert kept.put("acme", second, expected=first.revision) is True
    assert kept.put("acme", second, expected=first.revision) is False
    with pytest.raises(SkillConflict, match="changed"):
        kept.put("acme", third, expected=first.revision)
    with pytest.raises(SkillConflict, match="changed"):
        kept.delete("acme", "tidy-up", expected=first.revision)
    assert kept.delete("acme", "tidy-up", expected=second.revision) is True
    assert kept.delete("acme", "tidy-up", expected=second.revision) is False
    with pytest.raises(SkillConflict, match="no longer"):
        kept.put("acme", third, expected=second.revision)


def test_what_cannot_be_read_or_told_apart_is_shown_and_left_alone(tmp_path):
    kept = Shelf(tmp_path / "root")
    secret = tmp_path / "secret"
    secret.write_text("not yours")
    for folder, text in (("one", "same"), ("two", "same"), ("linked", "linked"), ("fine", "fine")):
        place = tmp_path / "root" / "acme" / folder
        place.mkdir(parents=True)
        (place / "SKILL.md").write_text(f"---\nname: {text}\n---\n")
    (tmp_path / "root/acme/linked/x").symlink_to(secret)
    (tmp_path / "root/acme/outside").symlink_to(tmp_path)
    problems = {entry.name: entry.problem for entry in kept.skills("acme")}
    assert problems["fine"] == ""
    assert problems["same"] == "ambiguous"
    assert "plain file" in problems["linked"]
    assert set(problems) == {"fine", "same", "linked"}
    with pytest.raises(SkillInvalid, match="plain file"):
        kept.get("acme", "linked")
    for act in (
        lambda: kept.delete("acme", "same"),
        lambda: kept.put("acme", skill("same"), expected=None, overwrite=True),
        lambda: kept.get("acme", "same"),
    ):
        with pytest.raises(SkillConflict, match="Two skills"):
            act()
    with pytest.raises(SkillInvalid):
        kept.change("acme", "linked", "x", File(b"mine"))
    assert secret.read_text() == "not yours"


def test_built_in_skills_are_read_and_never_changed(tmp_path):
    place = tmp_path / "builtin" / "pdf"
    place.mkdir(parents=True)
    (place / "SKILL.md").write_bytes(document("pdf", "Reads PDFs.", "1. Read."))
    kept = Shelf(tmp_path / "root", builtin=tmp_path / "builtin")
    present = kept.get("acme", "pdf")
    for act in (
        lambda: kept.put("acme", skill("pdf"), expected=present.revision),
        lambda: kept.put("acme", skill("pdf"), expected=None, overwrite=True),
        lambda: kept.delete("acme", "pdf", expected=present.revision),
        lambda: kept.change("acme", "pdf", "x", File(b"x")),
    ):
        with pytest.raises(SkillsRefused, match="built in"):
            act()
    assert [(entry.name, entry.builtin) for entry in kept.skills("acme")] == [("pdf", True)]
    assert read_folder(place) == {"SKILL.md": File(document("pdf", "Reads PDFs.", "1. Read."))}


def test_one_file_of_a_skill(tmp_path):
    kept = Shelf(tmp_path)
    kept.put("acme", skill(x=b"1"), expected=None)
    changed = kept.change("acme", "tidy-up", "bin/run", File(b"#!", "755"))
    assert kept.get("acme", "tidy-up") == changed
    assert changed.files["bin/run"] == File(b"#!", "755")
    kept.change("acme", "tidy-up", "x", None, expected=changed.revision)
    assert set(kept.get("acme", "tidy-up").files) == {"SKILL.md", "bin/run"}
    with pytest.raises(SkillConflict, match="changed"):
        kept.change("acme", "tidy-up", "bin/run", None, expected=changed.revision)
    with pytest.raises(SkillMissing):
        kept.change("acme", "tidy-up", "x", None)
    with pytest.raises(SkillsRefused, match="stays"):
        kept.change("acme", "tidy-up", "SKILL.md", None)
    with pytest.raises(SkillsRefused, match="another skill"):
        kept.change("acme", "tidy-up", "SKILL.md", File(document("other", "b", "c")))


def test_a_skill_without_a_name_is_called_as_its_folder_if_that_can_come_back(tmp_path):
    kept = Shelf(tmp_path)
    for folder in ("plain", "Not Plain"):
        (tmp_path / "acme" / folder).mkdir(parents=True)
        (tmp_path / "acme" / folder / "SKILL.md").write_bytes(b"1. Look.")
    before = kept.get("acme", "plain")
    kept.delete("acme", "plain", expected=before.revision)
    kept.put("acme", before, expected=None)
    assert kept.get("acme", "plain") == before
    with pytest.raises(SkillInvalid, match="no name"):
        kept.get("acme", "Not Plain")
    assert [(entry.name, bool(entry.problem)) for entry in kept.skills("acme")] == [
        ("Not Plain", True),
        ("plain", False),
    ]
    with pytest.raises(SkillInvalid, match="no name"):
        kept.put("acme", Skill.of({"SKILL.md": File(b"x")}, fallback_name="Also Not"), expected=None)


def test_a_lock_that_is_never_given_back_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(shelf, "LOCK_WAIT_S", 0.0)
    kept = Shelf(tmp_path)
    kept.put("acme", skill(), expected=None)
    with (tmp_path / "acme/.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SkillsDown, match="locked"):
            kept.get("acme", "tidy-up")
    assert kept.get("acme", "tidy-up") == skill()


def test_a_name_changed_by_hand_is_noticed(tmp_path):
    kept = Shelf(tmp_path)
    kept.put("acme", skill("before"), expected=None)
    assert kept.get("acme", "before")
    (tmp_path / "acme/before/SKILL.md").write_bytes(document("after", "Renamed.", "1. Look."))
    assert kept.get("acme", "after").name == "after"
    with pytest.raises(SkillMissing):
        kept.get("acme", "before")
    kept.put("acme", skill("before"), expected=None)
    assert [entry.name for entry in kept.skills("acme")] == ["after", "before"]


def test_every_reason_has_its_sentence():
    sources = "".join(path.read_text() for path in Path(shelf.__file__).parent.glob("*.py"))
    raised = set(re.findall(r"raise (?:Skill\w+|_tool_error\(SkillMissing)\(\"([a-z_]+)\"", sources))
    assert len(raised) > 30
    assert [reason for reason in raised if f"knowledge.skills.{reason}" not in catalogue("en")] == []
