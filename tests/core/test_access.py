"""Who may do what with the control socket."""

import pytest

from supervisor.core.access import Access, Caller, ControlSpec, access

OPS, WATCHERS, OTHERS = 100, 200, 300
SPEC = ControlSpec(group="ops", read_group="watchers")


def may(uid: int, *groups: int, spec: ControlSpec | None = SPEC) -> Access:
    caller = Caller(uid=uid, pid=1, groups=frozenset(groups))
    return access(caller, own_uid=7, spec=spec, group=OPS, read_group=WATCHERS)


@pytest.mark.parametrize(
    ("uid", "groups", "expected"),
    [
        (0, (), Access.CONTROL),
        (7, (), Access.CONTROL),
        (8, (OPS,), Access.CONTROL),
        (8, (WATCHERS, OPS), Access.CONTROL),
        (8, (OTHERS, WATCHERS), Access.READ),
        (8, (OTHERS,), Access.NOTHING),
        (8, (), Access.NOTHING),
    ],
)
def test_access(uid: int, groups: tuple[int, ...], expected: Access) -> None:
    assert may(uid, *groups) is expected


def test_without_a_spec_the_sockets_mode_is_all() -> None:
    assert may(8, spec=None) is Access.CONTROL


def test_a_group_that_does_not_exist_lets_nobody_in() -> None:
    caller = Caller(uid=8, pid=1, groups=frozenset({OPS}))
    assert access(caller, own_uid=7, spec=SPEC, group=None, read_group=None) is Access.NOTHING


@pytest.mark.parametrize(
    ("spec", "mode"),
    [
        (ControlSpec(), 0o660),
        (ControlSpec(group="ops"), 0o660),
        (ControlSpec(read_group="watchers"), 0o666),
        (ControlSpec(mode=0o600), 0o600),
    ],
)
def test_the_mode_follows(spec: ControlSpec, mode: int) -> None:
    assert spec.socket_mode == mode
