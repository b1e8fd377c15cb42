"""template: a filled script does what the shell would do with the quoted variable, whatever the value."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deffe.scripts.template import Template

EVIL = "a b;`touch run1` $(touch run2) \"q\" 'q' \\ * ~ $v ${x} & | > run3 #"
Pair = tuple[str, str]
"""A piece of a script, and a piece without bare variables that does the same."""


def filled(script: str, value: str, name: str = "v") -> str:
    return Template(script, [name]).fill({name: value})


def output(folder: Path, script: str, value: str) -> str:
    file = folder / "script.sh"
    file.write_bytes(script.encode())
    done = subprocess.run(
        ["bash", str(file)], cwd=folder, env={**os.environ, "v": value}, capture_output=True, timeout=20
    )
    return done.stdout.decode() + f"exit {done.returncode}"


def join(pairs: list[Pair], between: str = "") -> Pair:
    return between.join(a for a, _ in pairs), between.join(b for _, b in pairs)


def same(*texts: str) -> st.SearchStrategy[Pair]:
    return st.sampled_from([(text, text) for text in texts])


def around(before: str, inner: st.SearchStrategy[Pair], after: str) -> st.SearchStrategy[Pair]:
    return inner.map(lambda pair: (before + pair[0] + after, before + pair[1] + after))


def lengthened(text: str) -> str:
    """A text in which no here-document has the end mark of one around it."""
    return text.replace("<<X", "<<XX").replace("\nX", "\nXX")


def grammar(commands: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    """Commands, one line or more, that may hold the given ones in substitutions."""
    inside = around("$(", commands, "\n)")
    string = st.lists(st.one_of(
        same("$v", "${v}", "\\$v", "it's ", "$vx", "\\\\", "\\\""),
        same("${x:-$v}", "`echo $v`", "${v%'}'}", "$((1 << 2))", "#)"),
        inside,
    ), max_size=4).map(join)  # fmt: skip
    word = st.one_of(
        st.sampled_from([("$v", '"$v"'), ("a${v}b", 'a"${v}"b'), ("'$v'", '"$v"'), ("$'\\'$v'", "$'\\''\"$v\"")]),
        st.sampled_from([("${x:-'$v'}", '"$v"'), ("\"${x:-$(printf %s '$v')}\"", '"$v"')]),
        same("\\$v", "'it'", '${x:-"$v"}', "`echo \\'`", "a#b", "$((2#11 << 1))"),
        around('"', string, '"'),
        around('"', inside, '"'),
    )
    said = around("printf '<%s>' ", st.lists(word, min_size=1, max_size=3).map(lambda words: join(words, " ")), "")
    body = string.map(lambda pair: (lengthened(pair[0]), lengthened(pair[1])))
    document = around("cat <<-'E' <<X # it's\n\t$v\nE\n", body, "\nX")
    return st.one_of(
        said,
        around("case $v in (q) echo ;; *) ", said, ";; esac"),
        around("case x in x) ", commands, "\nesac"),
        around(" ( ", commands, "\n)"),
        around("f() {\n", commands, "\n}; f"),
        around("if ((1 << 1)); then # don't\n", commands, "\nfi"),
        around("cat <<< ", word, ""),
        document,
        st.sampled_from(
            [("cat <<'Q'\n$v\nQ", "printf '%s\\n' \"$v\""), ("x=`printf %s '$v'`; echo \"$x\"; x=", 'echo "$v"')]
        ),
        st.sampled_from([("export v=64 # it's\nprintf %s \"${v-}\" '$v'", 'printf %s "$v" "$v"')]),
    )


@st.composite
def scripts(draw: st.DrawFn) -> Pair:
    commands = st.recursive(same("echo", "# it's $v"), grammar, max_leaves=5)
    return join(draw(st.lists(commands, min_size=1, max_size=4)), "\n")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(scripts(), st.sampled_from([EVIL, "two\nlines\nX\nE", "", "$(", "'", '"', "`", "\\", "a b", "$v"]))
@example(('x="$(case a in a) echo "$v";; esac; echo $v)"; echo "$x"', 'echo "$v"; echo "$v"'), "a  b")
def test_any_value_in_any_place_is_what_the_quoted_variable_would_be(tmp_path: Path, script: Pair, value: str) -> None:
    written, meant = script
    try:
        filled(written, value)
    except ValueError:  # the value would end a here-document that takes it verbatim: it is refused
        assert "\n" in value
        return
    if value:  # a bare variable that is empty is no word at all, as in the shell
        assert output(tmp_path, filled(written, value), value) == output(tmp_path, meant, value)
    assert not list(tmp_path.glob("run*"))


@pytest.mark.parametrize(
    ("script", "result"),
    [
        ("echo $v ${v} \"$v\" '$v' # $v", "echo 4 4 \"4\" '4' # 4"),
        ("cat <<E\n$v\nE\ncat <<'E'\n${v}\nE", "cat <<E\n4\nE\ncat <<'E'\n4\nE"),
        ("v=default; echo $v; echo $((v * $v))", "v=4; echo 4; echo $((v * 4))"),
        ("echo $vx $ v ${v:-1} ${#v} \\$v", "echo $vx $ v ${v:-1} ${#v} \\$v"),
        ("echo $a$v \"$a${v}$v\" '$a$v'", "echo ${a}4 \"${a}44\" '$a4'"),
        ("awk '{ print $1 * $v }' `cat $v`", "awk '{ print $1 * 4 }' `cat 4`"),
    ],
)
def test_plain_values_are_put_in_as_text_everywhere(script: str, result: str) -> None:
    assert filled(script, "4") == result


def test_a_literal_default_is_the_value_of_the_point(tmp_path: Path) -> None:
    """Also where only the environment would tell it: in arithmetic."""
    assert output(tmp_path, filled("v=64  # by hand\necho $((v * 2))\n", "8"), "8") == "16\nexit 0"
    assert output(tmp_path, filled("export v=64\necho $((v * 2))\n", "8"), "8") == "16\nexit 0"
    assert output(tmp_path, filled("w=1 v=64\nif :; then v='6 4'; fi; echo ${v%x}\n", "a  b"), "") == "a b\nexit 0"
    computed = "v=$((v * 1024))\necho $((v + 1))\n"
    assert output(tmp_path, filled(computed, "8"), "8") == "8193\nexit 0"


@pytest.mark.parametrize(
    "script",
    [
        "v=64 run", "v=$x", 'v="${v:-64}"', "v=`run`", "v+=64", "v[0]=64", "v=(64)", "a=(\nv=64\n)", "run v=64",
        "for i in v=64; do :; done", "vw=64",
        "case $i in a) for i in v=64\ndo :; done;; esac", "case x in\nv=64) ;; esac",
        "run 2>&1 v=64", "run &> v=64", "# v=64", "cat <<E\nv=64\nE", "'\nv=64\n'", ": ${v:=64}", "run \\\nv=64\n",
    ],
)  # fmt: skip
def test_what_is_no_default_stays(script: str) -> None:
    assert filled(script, "8") == script


def test_a_variable_of_the_shell_keeps_what_the_script_assigns() -> None:
    assert filled("PATH=/bin; echo $PATH", "short", "PATH") == "PATH=/bin; echo short"


@pytest.mark.parametrize("script", ["printf %s '$v'", "cat <<'X'\n$v\nX", "printf %s $'$v'"])
def test_quoted_text_takes_every_value(tmp_path: Path, script: str) -> None:
    for value in ("O2", "O3 -funroll", EVIL):
        assert output(tmp_path, filled(script, value), "").startswith(value)
    assert not list(tmp_path.glob("run*"))


@pytest.mark.parametrize(
    ("script", "value"),
    [
        ("cat <<'X'\n$v\nX\n", "one\nX\ntouch run"),
        ("cat <<-'X'\n$v\nX\n", "\tX"),
        ("cat <<'END'\nE$v\nEND\n", "ND"),
        ("echo $(cat <<'X'\n$v\nX\n)", "X) touch run;"),
        ("cat <<O\n$(cat <<'X'\n$v\nX\n)\nO\n", "O\ntouch run"),
    ],
)
def test_a_value_that_ends_a_quoted_here_document_is_refused(script: str, value: str) -> None:
    with pytest.raises(ValueError, match="ends the here-document"):
        filled(script, value)


@pytest.mark.parametrize("value", ["X", "X) touch run; (", "\tX", "a\nX\ntouch run", ")"])
@pytest.mark.parametrize("word", ["'$v'", '"$v"', "$'$v'", "$(echo '$v')"])
def test_a_value_never_ends_a_here_document_around_it(tmp_path: Path, word: str, value: str) -> None:
    script = f"cat <<-X\n$(printf %s {word}\nprintf %s '\n$v\n'; cat <<-Y\n$v\nY\n)\nX\n"
    output(tmp_path, filled(script, value), value)
    assert not (tmp_path / "run").exists()
    assert value.strip() in output(tmp_path, filled("cat <<X\n$(\nprintf %s '$v'\n)\nX\n", value), "")


@pytest.mark.parametrize(
    "script",
    [
        "bash -c 'printf %s \"$v\" > said'",
        "env X=1 /bin/sh -e -c 'printf %s \"$v\" > said' 2>&1",
        "eval 'printf %s \"$v\" > said'",
        "trap 'printf %s \"$v\" > said' EXIT",
        "if true; then eval 'printf %s \"$v\" > said'; fi",
        "bash <<'E'\nprintf %s \"$v\" > said\nE",
        "bash -o pipefail -s 2>&1 <<'E'\nprintf %s \"$v\" > said\nE",
        "bash &> log <<'E'\nprintf %s \"$v\" > said\nE",
        "cat <<'E' | bash -e\nprintf %s \"$v\" > said\nE",
        "bash -c 'printf %s \"$1\" > said' bash '$v'",
    ],
)
def test_the_commands_of_an_inner_shell_take_values_from_the_environment(tmp_path: Path, script: str) -> None:
    output(tmp_path, filled(script, EVIL), EVIL)
    assert (tmp_path / "said").read_text() == EVIL
    assert not list(tmp_path.glob("run*"))


@pytest.mark.parametrize(
    "script", ["cat job.sh <<'E'\n$v\nE", "cat > job.sh <<'E'\n$v\nE\ncat job.sh", "bash -c 'cat' <<< '$v'"]
)
def test_other_commands_are_given_text(tmp_path: Path, script: str) -> None:
    (tmp_path / "job.sh").touch()
    filled_in = filled(script.replace("cat job.sh <<", "cat <<"), EVIL)
    assert output(tmp_path, filled_in, "") == f"{EVIL}\nexit 0"


def test_a_parameter_without_meaning_is_nothing() -> None:
    assert filled("run --ways=$v \"$v\" '${v}'", "") == "run --ways= \"\" ''"


def test_the_longest_name_that_fits_is_taken() -> None:
    template = Template("$l1d $l1d-size $l1d_x ${l1d}-size $l1d.ways", ["l1d", "l1d-size", "l1d.ways"])
    assert template.fill({"l1d": "A", "l1d-size": "B", "l1d.ways": "C"}) == "A B $l1d_x A-size C"


def test_a_value_never_completes_the_end_mark_of_a_here_document(tmp_path: Path) -> None:
    script = "cat <<END\n$v\ntouch run\nEND\n"
    for value in ("END", "x\nEND\ntouch run", "EN"):
        assert output(tmp_path, filled(script, value), value) == f"{value}\ntouch run\nexit 0"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "script", ['echo "$v', "echo $( $v", "cat <<E\n$v\n", "echo '$v", "x=${x:-$v", "$(" * 5000 + "$v"]
)
def test_a_script_that_does_not_add_up_is_left_to_the_environment(script: str) -> None:
    assert filled(script, EVIL) == script


def test_bytes_that_are_no_text_and_line_ends_are_kept() -> None:
    script = b"echo \xff $v\r\n\tx\r\n".decode("utf-8", "surrogateescape")
    assert filled(script, "1").encode("utf-8", "surrogateescape") == b"echo \xff 1\r\n\tx\r\n"
