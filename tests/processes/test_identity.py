"""Names of users, limits and signals."""

import grp
import os
import pwd
import resource

import pytest

from supervisor.processes.identity import (
    Identity,
    UnknownLimit,
    UnknownSignal,
    UnknownUser,
    resolve_user,
    rlimit_number,
    signal_number,
)

ENTRY = pwd.struct_passwd(("billing", "x", 1234, 2000, "", "/srv/billing", ""))


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user database with one user and two groups."""

    def by_name(name: str) -> pwd.struct_passwd:
        if name != "billing":
            raise KeyError(name)
        return ENTRY

    def by_number(uid: int) -> pwd.struct_passwd:
        if uid != 1234:
            raise KeyError(uid)
        return ENTRY

    def group(name: str) -> grp.struct_group:
        if name != "ops":
            raise KeyError(name)
        return grp.struct_group(("ops", "x", 3000, []))

    monkeypatch.setattr(pwd, "getpwnam", by_name)
    monkeypatch.setattr(pwd, "getpwuid", by_number)
    monkeypatch.setattr(grp, "getgrnam", group)
    monkeypatch.setattr(os, "getgrouplist", lambda _, gid: [gid, 4000, gid])


@pytest.mark.usefixtures("users")
@pytest.mark.parametrize(
    ("user", "uid", "gid", "groups", "home", "name"),
    [
        ("billing", 1234, 2000, (2000, 4000), "/srv/billing", "billing"),
        ("1234", 1234, 2000, (2000, 4000), "/srv/billing", "billing"),
        ("billing:ops", 1234, 3000, (3000, 4000), "/srv/billing", "billing"),
        ("billing:77", 1234, 77, (77, 4000), "/srv/billing", "billing"),
        ("5555:ops", 5555, 3000, (3000,), "/", "5555"),
        ("5555:5555", 5555, 5555, (5555,), "/", "5555"),
    ],
)
def test_resolve_user(user: str, uid: int, gid: int, groups: tuple[int, ...], home: str, name: str) -> None:
    assert resolve_user(user) == Identity(uid=uid, gid=gid, groups=groups, home=home, name=name, shell="/bin/sh")


@pytest.mark.usefixtures("users")
@pytest.mark.parametrize(
    ("user", "words"),
    [
        ("biling", "no user 'biling' on this machine: create it"),
        ("billing:opps", "no group 'opps' on this machine"),
        ("5555", "write 5555:GROUP"),
        (":ops", "write NAME or NAME:GROUP"),
        ("billing:", "write NAME or NAME:GROUP"),
        ("", "write NAME or NAME:GROUP"),
        ("4294967295:0", "no user can have this number"),
        ("99999999999999999999:0", "no user can have this number"),
        ("billing:4294967295", "no group '4294967295'"),
    ],
)
def test_unknown_users_come_with_a_remedy(user: str, words: str) -> None:
    with pytest.raises(UnknownUser, match=words):
        resolve_user(user)


def test_the_real_database() -> None:
    root = resolve_user("root")
    assert (root.uid, root.gid, root.name) == (0, 0, "root")
    assert 0 in root.groups


def test_limits() -> None:
    assert rlimit_number("nofile") == resource.RLIMIT_NOFILE
    assert rlimit_number("CORE") == resource.RLIMIT_CORE
    with pytest.raises(UnknownLimit, match=r"no limit is called 'nofiles': did you mean nofile\?"):
        rlimit_number("nofiles")
    with pytest.raises(UnknownLimit, match=r"use one of .*nofile"):
        rlimit_number("xyzzy")


@pytest.mark.parametrize(
    ("name", "number"), [("SIGTERM", 15), ("term", 15), ("15", 15), ("SIGUSR1", 10), ("rtmin", 34)]
)
def test_signals(name: str, number: int) -> None:
    assert signal_number(name) == number


@pytest.mark.parametrize(
    ("name", "words"), [("SIGTREM", "did you mean SIGTERM"), ("0", "use one of"), ("", "use one of")]
)
def test_unknown_signals(name: str, words: str) -> None:
    with pytest.raises(UnknownSignal, match=words):
        signal_number(name)
